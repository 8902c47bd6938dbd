#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace weir::pool {

/// How often the shape of a database has been seen to change. What was prepared at a lower number
/// is prepared anew before its next use: PostgreSQL would refuse it ("cached plan must not change
/// result type").
using SchemaEpoch = std::atomic<std::uint64_t>;

/// The epochs of all databases. An epoch lives as long as the registry.
///
/// @thread any
class SchemaEpochs {
public:
    [[nodiscard]] SchemaEpoch& find_or_add(const std::string& database) {
        const std::lock_guard<std::mutex> lock{mutex_};
        return epochs_[database];
    }

private:
    std::mutex mutex_;
    std::map<std::string, SchemaEpoch> epochs_;
};

}  // namespace weir::pool
