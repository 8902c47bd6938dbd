#pragma once

#include "pool/pool.hpp"

#include <functional>
#include <map>
#include <memory>

namespace weir::pool {

/// One worker's pools by key. Lives on its loop; destroying it closes every backend.
class PoolSet {
public:
    /// @return what holds for a key now, or nothing when its database is no longer configured
    using PlanSource = std::function<std::optional<PoolPlan>(const PoolKey&)>;

    explicit PoolSet(const Pool::Environment& environment)
        : environment_{environment},
          limit_waits_{std::make_unique<LimitWaits>(environment.worker)} {
        environment_.limit_waits = limit_waits_.get();
    }

    /// @param plan what a pool that must be made starts with
    [[nodiscard]] Pool& find_or_add(const PoolKey& key, const PoolPlan& plan);
    [[nodiscard]] Pool* find(const PoolKey& key);
    /// After a reload: every pool goes on under its new plan; those without one close what is idle.
    void apply(const PlanSource& source);
    /// Closes one idle backend of a pool that shares a full limit with `asking`.
    [[nodiscard]] bool make_room(const Pool& asking);
    /// Forgets pools that nobody has used for a while.
    void sweep();

    template <class Visitor>
    void for_each(Visitor&& visit) {
        for (auto& [key, pool] : pools_) {
            visit(*pool);
        }
    }

private:
    Pool::Environment environment_;
    std::unique_ptr<LimitWaits> limit_waits_;
    std::map<PoolKey, std::unique_ptr<Pool>> pools_;
};

}  // namespace weir::pool
