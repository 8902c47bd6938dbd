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

/// What all pools of one database share.
/// @thread any
struct SharedDatabase {
    /// How often its shape has been seen to change. Whoever prepares at a higher number gets a
    /// statement of its own, apart from one prepared before, which PostgreSQL may refuse ("cached
    /// plan must not change result type").
    std::atomic<std::uint64_t> schema_epoch{0};
    DatabaseKnowledge knowledge;
};

using SharedDatabasePtr = std::shared_ptr<SharedDatabase>;

/// All of them. One that no pool holds is forgotten.
/// @thread any
class SharedDatabases {
public:
    [[nodiscard]] SharedDatabasePtr find_or_add(const std::string& name) {
        const std::lock_guard<std::mutex> lock{mutex_};
        if (databases_.size() >= sweep_at_ && !databases_.contains(name)) {
            std::erase_if(databases_,
                          [](const auto& entry) { return entry.second.use_count() == 1; });
            sweep_at_ = std::max(kSweepAtLeast, databases_.size() * 2);
        }
        SharedDatabasePtr& found = databases_[name];
        if (found == nullptr) {
            found = std::make_shared<SharedDatabase>();
        }
        return found;
    }

    /// @return nullptr: there is none (any more)
    [[nodiscard]] SharedDatabasePtr find(const std::string& name) {
        const std::lock_guard<std::mutex> lock{mutex_};
        const auto found = databases_.find(name);
        return found == databases_.end() ? nullptr : found->second;
    }

private:
    static constexpr std::size_t kSweepAtLeast = 64;
    std::mutex mutex_;
    std::map<std::string, SharedDatabasePtr> databases_;
    std::size_t sweep_at_ = kSweepAtLeast;
};

}  // namespace weir::pool
