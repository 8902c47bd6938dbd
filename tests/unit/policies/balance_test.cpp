#include "policies/balance.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

using weir::policies::Balance;
using weir::policies::BalanceState;
using weir::policies::Candidate;
using weir::policies::choose;
using weir::policies::name_of;

namespace {

constexpr std::array<Balance, 4> kAll = {
    Balance::LeastConnections, Balance::RoundRobin, Balance::Random, Balance::Latency};
constexpr int kChoices = 10000;

std::vector<Candidate> with_weights(const std::vector<std::uint32_t>& weights) {
    std::vector<Candidate> candidates;
    candidates.reserve(weights.size());
    for (const std::uint32_t weight : weights) {
        candidates.push_back(
            {.index = candidates.size(), .weight = weight, .in_use = 0, .latency_us = 500});
    }
    return candidates;
}

/// The same sequence each time, evenly spread over [0, 1).
class Dice {
public:
    double operator()() { return spread_(engine_); }

private:
    std::mt19937_64 engine_{42};  // NOLINT(cert-msc51-cpp): the same numbers each time
    std::uniform_real_distribution<double> spread_{0.0, 1.0};
};

/// @return how often each was chosen in kChoices where nothing stays in use
std::vector<int> shares(Balance balance, const std::vector<Candidate>& candidates) {
    BalanceState state;
    Dice dice;
    std::vector<int> chosen(candidates.size(), 0);
    for (int i = 0; i < kChoices; ++i) {
        ++chosen.at(choose(balance, candidates, state, dice()).value());
    }
    return chosen;
}

/// The same where every call lasts as long as `under_way` others take to begin.
std::vector<int> shares_of_calls(Balance balance,
                                 std::vector<Candidate> candidates,
                                 std::size_t under_way) {
    BalanceState state;
    Dice dice;
    std::vector<int> chosen(candidates.size(), 0);
    std::vector<std::size_t> running;
    for (std::size_t i = 0; i < kChoices; ++i) {
        const std::size_t index = choose(balance, candidates, state, dice()).value();
        ++chosen.at(index);
        ++candidates.at(index).in_use;
        running.push_back(index);
        if (running.size() > under_way) {
            --candidates.at(running[running.size() - 1 - under_way]).in_use;
        }
    }
    return chosen;
}

}  // namespace

TEST_SUITE("balance") {
    TEST_CASE("balance: nobody is chosen among none, or where no weight is") {
        BalanceState state;
        for (const Balance balance : kAll) {
            CHECK_FALSE(choose(balance, {}, state, 0.5));
            CHECK_FALSE(choose(balance, with_weights({0, 0}), state, 0.5));
        }
    }

    TEST_CASE("balance: the only one is always chosen, by its own index") {
        BalanceState state;
        const std::array<Candidate, 3> one = {Candidate{.index = 2, .weight = 0},
                                              Candidate{.index = 7, .weight = 3},
                                              Candidate{.index = 1, .weight = 0}};
        for (const Balance balance : kAll) {
            for (const double random : {0.0, 0.3, 0.999, 1.0, -1.0, std::nan("")}) {
                CHECK(choose(balance, one, state, random) == 7);
            }
        }
    }

    TEST_CASE("balance: equal members get equal shares, whatever the way") {
        for (const Balance balance : kAll) {
            CAPTURE(name_of(balance));
            for (const int share : shares(balance, with_weights({1, 1, 1, 1}))) {
                CHECK(std::abs(share - kChoices / 4) < kChoices / 50);
            }
        }
    }

    TEST_CASE("balance: shares follow the weights") {
        const std::vector<Candidate> candidates = with_weights({5, 3, 2});
        const std::array<int, 3> expected = {5000, 3000, 2000};
        const std::vector<int> turns = shares(Balance::RoundRobin, candidates);
        const std::vector<int> random = shares(Balance::Random, candidates);
        const std::vector<int> least = shares_of_calls(Balance::LeastConnections, candidates, 100);
        for (std::size_t i = 0; i < expected.size(); ++i) {
            CHECK(turns[i] == expected[i]);
            CHECK(std::abs(random[i] - expected[i]) < 200);
            CHECK(std::abs(least[i] - expected[i]) < 200);
        }
    }

    TEST_CASE("balance: round robin spreads a heavy member's turns") {
        BalanceState state;
        const std::vector<Candidate> candidates = with_weights({5, 1, 1});
        std::string turns;
        for (int i = 0; i < 14; ++i) {
            turns +=
                static_cast<char>('a' + choose(Balance::RoundRobin, candidates, state, 0).value());
        }
        CHECK(turns == "aabacaaaabacaa");
    }

    TEST_CASE("balance: round robin is fair again when a member comes back") {
        BalanceState state;
        const std::vector<Candidate> all = with_weights({1, 1, 1});
        for (int i = 0; i < 1000; ++i) {
            static_cast<void>(choose(Balance::RoundRobin, std::span{all}.first(2), state, 0));
        }
        std::array<int, 3> chosen{};
        for (int i = 0; i < 300; ++i) {
            ++chosen.at(choose(Balance::RoundRobin, all, state, 0).value());
        }
        for (const int share : chosen) {
            CHECK(std::abs(share - 100) <= 1);
        }
    }

    TEST_CASE("balance: least connections goes where the least is in use per weight") {
        BalanceState state;
        std::vector<Candidate> candidates = with_weights({1, 2, 1});
        candidates[0].in_use = 3;
        candidates[1].in_use = 5;
        candidates[2].in_use = 9;
        CHECK(choose(Balance::LeastConnections, candidates, state, 0) == 1);
        candidates[1].in_use = 8;
        CHECK(choose(Balance::LeastConnections, candidates, state, 0) == 0);
    }

    TEST_CASE("balance: those alike take turns, also where ties come every other time") {
        BalanceState state;
        std::vector<Candidate> candidates = with_weights({1, 1, 1});
        std::array<int, 3> chosen{};
        for (int i = 0; i < 300; ++i) {
            candidates[0].in_use = 0;
            candidates[1].in_use = 5;
            candidates[2].in_use = 0;
            ++chosen.at(choose(Balance::LeastConnections, candidates, state, 0).value());
            candidates[2].in_use = 9;
            CHECK(choose(Balance::LeastConnections, candidates, state, 0) == 0);
        }
        CHECK(chosen[0] == 150);
        CHECK(chosen[1] == 0);
        CHECK(chosen[2] == 150);
    }

    TEST_CASE("balance: the largest numbers do not overflow") {
        constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
        BalanceState state;
        const std::array<Candidate, 2> candidates = {
            Candidate{.index = 0, .weight = 1, .in_use = kMost, .latency_us = UINT64_MAX},
            Candidate{.index = 1, .weight = kMost, .in_use = kMost, .latency_us = UINT64_MAX}};
        CHECK(choose(Balance::LeastConnections, candidates, state, 0) == 1);
        CHECK(choose(Balance::Latency, candidates, state, 0) == 1);
        for (int i = 0; i < 100; ++i) {
            CHECK(choose(Balance::RoundRobin, candidates, state, 0).has_value());
        }
        CHECK(choose(Balance::Random, candidates, state, 0.999999) == 1);
    }

    TEST_CASE("balance: latency takes the better of any two, never the worst of all") {
        std::vector<Candidate> candidates = with_weights({1, 1, 1});
        candidates[0].latency_us = 100;
        candidates[1].latency_us = 200;
        candidates[2].latency_us = 400;
        const std::vector<int> chosen = shares(Balance::Latency, candidates);
        CHECK(std::abs(chosen[0] - 2 * kChoices / 3) < 200);
        CHECK(std::abs(chosen[1] - kChoices / 3) < 200);
        CHECK(chosen[2] == 0);
    }

    TEST_CASE("balance: latency shares load out as far as the slower one can bear it") {
        std::vector<Candidate> candidates = with_weights({1, 1});
        candidates[0].latency_us = 100;
        candidates[1].latency_us = 300;
        const std::vector<int> chosen = shares_of_calls(Balance::Latency, candidates, 40);
        CHECK(std::abs(chosen[0] - 3 * kChoices / 4) < 200);
        std::vector<Candidate> heavy = with_weights({1, 3});
        const std::vector<int> by_weight = shares_of_calls(Balance::Latency, heavy, 40);
        CHECK(std::abs(by_weight[1] - 3 * kChoices / 4) < 200);
    }

    TEST_CASE("balance: an unknown latency is tried first, with one call at a time") {
        BalanceState state;
        Dice dice;
        std::vector<Candidate> candidates = with_weights({1, 1, 1});
        candidates[1].latency_us = 0;
        CHECK(choose(Balance::Latency, candidates, state, dice()) == 1);
        candidates[1].in_use = 1;
        for (int i = 0; i < 1000; ++i) {
            CHECK(choose(Balance::Latency, candidates, state, dice()) != 1);
        }
    }

    TEST_CASE("balance: where no latency is known everybody gets a share") {
        std::vector<Candidate> candidates = with_weights({1, 1, 1});
        for (Candidate& one : candidates) {
            one.latency_us = 0;
        }
        for (const int share : shares_of_calls(Balance::Latency, candidates, 30)) {
            CHECK(std::abs(share - kChoices / 3) < 200);
        }
    }

    TEST_CASE("balance: random stays within the candidates at the ends of its range") {
        BalanceState state;
        const std::vector<Candidate> candidates = with_weights({1, 2, 3});
        CHECK(choose(Balance::Random, candidates, state, 0.0) == 0);
        CHECK(choose(Balance::Random, candidates, state, 0.9999999999) == 2);
        CHECK(choose(Balance::Random, candidates, state, 1.0) == 2);
        CHECK(choose(Balance::Random, candidates, state, -0.5) == 0);
    }

    TEST_CASE("balance: has the configuration's words") {
        CHECK(name_of(Balance::LeastConnections) == "least-connections");
        CHECK(name_of(Balance::RoundRobin) == "round-robin");
        CHECK(name_of(Balance::Random) == "random");
        CHECK(name_of(Balance::Latency) == "latency");
    }
}
