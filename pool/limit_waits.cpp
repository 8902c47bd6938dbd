#include "pool/limit_waits.hpp"

#include <algorithm>

namespace weir::pool {

void LimitWaits::announce(Budget& limit, const Pool& pool, std::int64_t rank) {
    withdraw(pool);
    waits_.push_back({&limit, &pool, rank});
    publish(limit);
}

void LimitWaits::withdraw(const Pool& pool) {
    const auto mine = std::find_if(
        waits_.begin(), waits_.end(), [&pool](const Wait& wait) { return wait.pool == &pool; });
    if (mine != waits_.end()) {
        Budget& limit = *mine->limit;
        waits_.erase(mine);
        publish(limit);
    }
}

void LimitWaits::publish(Budget& limit) const {
    std::int64_t first = 0;
    for (const Wait& wait : waits_) {
        if (wait.limit == &limit && (first == 0 || wait.rank < first)) {
            first = wait.rank;
        }
    }
    limit.announce_waiter(worker_, first);
}

bool LimitWaits::is_outranked(const Budget& limit,
                              const Pool& pool,
                              std::int64_t rank,
                              unsigned workers) const {
    for (unsigned worker = 0; worker < workers; ++worker) {
        const std::int64_t first = worker == worker_ ? 0 : limit.waiting_since(worker);
        if (first != 0 && first < rank) {
            return true;
        }
    }
    return std::any_of(waits_.begin(), waits_.end(), [&](const Wait& wait) {
        return wait.limit == &limit && wait.pool != &pool && wait.rank < rank;
    });
}

}  // namespace weir::pool
