#pragma once

#include "pool/budget.hpp"

#include <cstdint>
#include <vector>

namespace weir::pool {

class Pool;

/// Which pools of one worker wait for a place in a limit that they share with others: a database's,
/// a user's. What the first of them waits since is announced to the other workers (Budget).
///
/// A pool announces only when that limit, and nothing else, has just kept it from opening a
/// backend, and looks again every few milliseconds: nobody yields for long to one that cannot take
/// its turn. Lives on its worker's loop.
class LimitWaits {
public:
    explicit LimitWaits(unsigned worker) : worker_{worker} {}

    /// Whatever the pool waited for before, it waits for this limit now.
    void announce(Budget& limit, const Pool& pool, std::int64_t rank);
    void withdraw(const Pool& pool);

    /// @return whether somebody of a lower rank than this waits for the limit, in another pool or
    /// on another worker
    [[nodiscard]] bool is_outranked(const Budget& limit,
                                    const Pool& pool,
                                    std::int64_t rank,
                                    unsigned workers) const;

private:
    struct Wait {
        Budget* limit;
        const Pool* pool;
        std::int64_t rank;
    };

    void publish(Budget& limit) const;

    unsigned worker_;
    std::vector<Wait> waits_;
};

}  // namespace weir::pool
