#include "pool/pool_set.hpp"

namespace weir::pool {

Pool& PoolSet::find_or_add(const PoolKey& key, const PoolPlan& plan) {
    std::unique_ptr<Pool>& slot = pools_[key];
    if (slot == nullptr) {
        slot = std::make_unique<Pool>(environment_, key, plan);
    }
    return *slot;
}

Pool* PoolSet::find(const PoolKey& key) {
    const auto found = pools_.find(key);
    return found == pools_.end() ? nullptr : found->second.get();
}

void PoolSet::apply(const PlanSource& source) {
    for (auto& [key, pool] : pools_) {
        if (auto plan = source(key); plan) {
            pool->apply(std::move(*plan));
        } else {
            pool->close_idle();
        }
    }
}

bool PoolSet::make_room(const Pool& asking) {
    for (auto& [key, pool] : pools_) {
        if (pool->shares_limit_with(asking) && pool->close_one_idle()) {
            return true;
        }
    }
    return false;
}

void PoolSet::sweep() {
    std::erase_if(pools_, [](const auto& entry) { return entry.second->is_unused(); });
}

}  // namespace weir::pool
