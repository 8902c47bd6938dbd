#pragma once

#include "conf/model.hpp"
#include "pool/missing_partition.hpp"

#include <chrono>
#include <functional>
#include <string_view>

namespace weir::proxy {

/// Makes the partition that a row has not found. Implemented by maintenance, for the main program.
///
/// @thread any
class PartitionHealing {
public:
    PartitionHealing() = default;
    PartitionHealing(const PartitionHealing&) = delete;
    PartitionHealing& operator=(const PartitionHealing&) = delete;
    PartitionHealing(PartitionHealing&&) = delete;
    PartitionHealing& operator=(PartitionHealing&&) = delete;
    virtual ~PartitionHealing() = default;

    /// @param done runs once, on a thread of its own, when it is made or is not going to be; must
    /// be quick; may run before this returns; empty: nobody waits
    virtual void heal(const pool::MissingPartition& missing, std::function<void()> done) = 0;
};

/// A client waits for its partition at most this long; then it gets the server's error.
inline constexpr std::chrono::seconds kHealingLimit{5};
/// So many partitions may be made for the rows of one request.
inline constexpr unsigned kHealingsMax = 12;

/// @return whether what clients of that database miss is to be made
[[nodiscard]] bool heals_partitions(const conf::Config& config, std::string_view database);

}  // namespace weir::proxy
