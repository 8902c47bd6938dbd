#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace weir::policies {

/// How one of several members that would all do is chosen.
enum class Balance : std::uint8_t {
    LeastConnections,  ///< where (in use + 1) / weight is smallest; those alike take turns
    RoundRobin,        ///< in turns, as often as the weight says, spread evenly
    Random,            ///< as often as the weight says
    Latency,           ///< the better of two at random by latency × (in use + 1) / weight
};

/// @return the word in the configuration: "least-connections", "round-robin", "random", "latency"
[[nodiscard]] constexpr std::string_view name_of(Balance balance) {
    switch (balance) {
        case Balance::LeastConnections: return "least-connections";
        case Balance::RoundRobin: return "round-robin";
        case Balance::Random: return "random";
        case Balance::Latency: return "latency";
    }
    return "least-connections";
}

/// A member that may be chosen now. Who may not (down, lagging, refused by its breaker) is left
/// out.
struct Candidate {
    std::size_t index = 0;         ///< of the member, below kMembersMax; in no two candidates
    std::uint32_t weight = 1;      ///< 0 = never chosen
    std::uint32_t in_use = 0;      ///< calls under way there
    std::uint64_t latency_us = 0;  ///< smoothed (EWMA); 0 = not known yet
};

/// More members than any cluster has; bounds what BalanceState remembers.
inline constexpr std::size_t kMembersMax = 1024;

/// What the choices remember from one to the next: whose turn it is. One per place that chooses.
class BalanceState {
public:
    /// @param count of those that take turns, at least 1
    /// @return whose turn it is, below `count`
    [[nodiscard]] std::size_t next_turn(std::size_t count);

    /// The credit of a member in round robin; grows the table when the member is new.
    [[nodiscard]] std::int64_t& credit(std::size_t index);

    /// Forgets everything: the members or their weights are others now.
    void reset();

private:
    std::vector<std::int64_t> credits_;
    std::size_t turn_ = 0;
};

/// Chooses a member.
///
/// Latency: a member whose latency is not known is tried before all others, with one call at a
/// time; while that runs it counts as slow as the slowest that is known.
///
/// @param random in [0, 1), as random_unit() gives it; used by Random and Latency
/// @return the `index` of the candidate chosen; nothing when there is none with a weight
/// @cost O(candidates), no allocation once every member has been seen
/// @thread any, one at a time per state
[[nodiscard]] std::optional<std::size_t> choose(Balance balance,
                                                std::span<const Candidate> candidates,
                                                BalanceState& state,
                                                double random);

}  // namespace weir::policies
