#include "policies/balance.hpp"

#include "base/check.hpp"

#include <algorithm>

namespace weir::policies {

namespace {

using Candidates = std::span<const Candidate>;
using Chosen = std::optional<std::size_t>;

std::size_t count_usable(Candidates candidates) {
    return static_cast<std::size_t>(std::count_if(
        candidates.begin(), candidates.end(), [](const Candidate& one) { return one.weight > 0; }));
}

/// @return the nth of the candidates that have a weight
const Candidate& nth_usable(Candidates candidates, std::size_t nth) {
    for (const Candidate& one : candidates) {
        if (one.weight > 0 && nth-- == 0) {
            return one;
        }
    }
    WEIR_CHECK(false);
    return candidates.front();
}

/// @return a whole number below `count`, each as likely; `count` at least 1
std::size_t pick_below(std::size_t count, double random) {
    const double at = random > 0 ? random * static_cast<double>(count) : 0;
    return at < static_cast<double>(count) ? static_cast<std::size_t>(at) : count - 1;
}

/// (in use + 1) / weight without dividing: both products fit 64 bits.
bool has_less_load(const Candidate& left, const Candidate& right) {
    return (std::uint64_t{left.in_use} + 1) * right.weight <
           (std::uint64_t{right.in_use} + 1) * left.weight;
}

/// @param is_in says whether a candidate takes part; those with a weight are asked
template <class IsIn>
Chosen least_loaded(Candidates candidates, BalanceState& state, const IsIn& is_in) {
    const Candidate* best = nullptr;
    std::size_t alike = 0;
    for (const Candidate& one : candidates) {
        if (one.weight == 0 || !is_in(one)) {
            continue;
        }
        if (best == nullptr || has_less_load(one, *best)) {
            best = &one;
            alike = 1;
        } else if (!has_less_load(*best, one)) {
            ++alike;
        }
    }
    if (best == nullptr || alike == 1) {
        return best == nullptr ? Chosen{} : best->index;  // a turn is used up only where one is due
    }
    std::size_t turn = state.next_turn(alike);
    for (const Candidate& one : candidates) {
        const bool ties = one.weight > 0 && is_in(one) && !has_less_load(*best, one);
        if (ties && turn-- == 0) {
            return one.index;
        }
    }
    return best->index;
}

Chosen least_connections(Candidates candidates, BalanceState& state) {
    return least_loaded(candidates, state, [](const Candidate&) { return true; });
}

/// nginx's smooth weighted round robin: everybody's credit grows by the weight, the richest is
/// chosen and pays what all got. {5, 1, 1} gives a a b a c a a.
/// @source nginx, ngx_http_upstream_get_peer()
Chosen round_robin(Candidates candidates, BalanceState& state) {
    const Candidate* best = nullptr;
    std::int64_t total = 0;
    for (const Candidate& one : candidates) {
        if (one.weight == 0) {
            continue;
        }
        total += one.weight;
        state.credit(one.index) += one.weight;
        if (best == nullptr || state.credit(one.index) > state.credit(best->index)) {
            best = &one;
        }
    }
    if (best == nullptr) {
        return std::nullopt;
    }
    state.credit(best->index) -= total;
    return best->index;
}

Chosen weighted_random(Candidates candidates, double random) {
    std::size_t total = 0;
    for (const Candidate& one : candidates) {
        total += one.weight;
    }
    if (total == 0) {
        return std::nullopt;
    }
    std::size_t at = pick_below(total, random);
    for (const Candidate& one : candidates) {
        if (at < one.weight) {
            return one.index;
        }
        at -= one.weight;
    }
    return std::nullopt;
}

double cost_of(const Candidate& one, std::uint64_t unknown_us) {
    const std::uint64_t latency_us = one.latency_us == 0 ? unknown_us : one.latency_us;
    return static_cast<double>(latency_us) * (static_cast<double>(one.in_use) + 1) / one.weight;
}

Chosen better_of_two(Candidates candidates, BalanceState& state, double random) {
    if (const Chosen untried = least_loaded(candidates, state, [](const Candidate& one) {
            return one.latency_us == 0 && one.in_use == 0;
        })) {
        return untried;
    }
    const std::size_t usable = count_usable(candidates);
    if (usable == 0) {
        return std::nullopt;
    }
    if (usable == 1) {
        return nth_usable(candidates, 0).index;
    }
    std::uint64_t slowest_us = 1;
    for (const Candidate& one : candidates) {
        slowest_us = std::max(slowest_us, one.latency_us);
    }
    // One number picks an ordered pair of different candidates.
    const std::size_t pair = pick_below(usable * (usable - 1), random);
    const std::size_t first = pair / (usable - 1);
    const std::size_t other = pair % (usable - 1);
    const Candidate& left = nth_usable(candidates, first);
    const Candidate& right = nth_usable(candidates, other + (other >= first ? 1 : 0));
    return cost_of(right, slowest_us) < cost_of(left, slowest_us) ? right.index : left.index;
}

}  // namespace

std::size_t BalanceState::next_turn(std::size_t count) {
    WEIR_ASSERT(count > 0);
    return turn_++ % count;
}

std::int64_t& BalanceState::credit(std::size_t index) {
    WEIR_CHECK(index < kMembersMax);
    if (index >= credits_.size()) {
        credits_.resize(index + 1, 0);
    }
    return credits_[index];
}

void BalanceState::reset() {
    credits_.clear();
    turn_ = 0;
}

std::optional<std::size_t> choose(Balance balance,
                                  std::span<const Candidate> candidates,
                                  BalanceState& state,
                                  double random) {
    switch (balance) {
        case Balance::LeastConnections: return least_connections(candidates, state);
        case Balance::RoundRobin: return round_robin(candidates, state);
        case Balance::Random: return weighted_random(candidates, random);
        case Balance::Latency: return better_of_two(candidates, state, random);
    }
    return std::nullopt;
}

}  // namespace weir::policies
