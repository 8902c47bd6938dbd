#pragma once

#include "pool/database_knowledge.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace weir::pool {

/// How often the shape of a database has been seen to change. Whoever prepares at a higher number
/// gets a statement of its own, apart from one prepared before, which PostgreSQL may refuse
/// ("cached plan must not change result type").
class SchemaEpoch : public std::atomic<std::uint64_t> {
public:
    using std::atomic<std::uint64_t>::atomic;

    /// What else is known of the database.
    [[nodiscard]] DatabaseKnowledge& knowledge() { return knowledge_; }

private:
    DatabaseKnowledge knowledge_;
};

using SchemaEpochPtr = std::shared_ptr<SchemaEpoch>;

/// The epochs of all databases. One that no pool holds is forgotten.
///
/// @thread any
class SchemaEpochs {
public:
    [[nodiscard]] SchemaEpochPtr find_or_add(const std::string& database) {
        const std::lock_guard<std::mutex> lock{mutex_};
        if (epochs_.size() >= sweep_at_ && !epochs_.contains(database)) {
            std::erase_if(epochs_, [](const auto& entry) { return entry.second.use_count() == 1; });
            sweep_at_ = std::max(kSweepAtLeast, epochs_.size() * 2);
        }
        SchemaEpochPtr& epoch = epochs_[database];
        if (epoch == nullptr) {
            epoch = std::make_shared<SchemaEpoch>(0);
        }
        return epoch;
    }

private:
    static constexpr std::size_t kSweepAtLeast = 64;
    std::mutex mutex_;
    std::map<std::string, SchemaEpochPtr> epochs_;
    std::size_t sweep_at_ = kSweepAtLeast;
};

}  // namespace weir::pool
