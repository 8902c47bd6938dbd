#include "proxy/client_state.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

using weir::proxy::ClientEvent;
using weir::proxy::ClientState;
using weir::proxy::kClientRules;
using weir::proxy::next_state;

namespace {

constexpr std::size_t kStates = 13;
constexpr std::size_t kEvents = 16;

}  // namespace

TEST_SUITE("client state") {
    TEST_CASE("client state: only what the rules say happens, and the end from everywhere") {
        for (std::size_t state = 0; state < kStates; ++state) {
            for (std::size_t event = 0; event < kEvents; ++event) {
                CAPTURE(state);
                CAPTURE(event);
                const auto from = static_cast<ClientState>(state);
                const auto what = static_cast<ClientEvent>(event);
                const auto to = next_state(from, what);
                if (what == ClientEvent::EndBegan || what == ClientEvent::Ended) {
                    CHECK(to.has_value() == (from != ClientState::Closed));
                    continue;
                }
                const auto rule = std::find_if(
                    kClientRules.begin(), kClientRules.end(), [&](const auto& candidate) {
                        return candidate.from == from && candidate.event == what;
                    });
                CHECK(to.has_value() == (rule != kClientRules.end()));
                if (to) {
                    CHECK(*to == rule->to);
                }
            }
        }
    }

    TEST_CASE("client state: no pair of state and event has two rules") {
        std::set<std::pair<ClientState, ClientEvent>> seen;
        for (const auto& rule : kClientRules) {
            CHECK(seen.insert({rule.from, rule.event}).second);
        }
    }

    TEST_CASE("client state: nothing leads to a backend before the login is through") {
        for (const ClientState state :
             {ClientState::Startup, ClientState::Authenticating, ClientState::Hashing}) {
            for (std::size_t event = 0; event < kEvents; ++event) {
                const auto to = next_state(state, static_cast<ClientEvent>(event));
                CHECK(to != ClientState::Active);
                CHECK(to != ClientState::Idle);
                CHECK(to != ClientState::Waiting);
            }
        }
    }

    TEST_CASE("client state: every state has a name of its own and one of the labels") {
        std::set<std::string> names;
        for (std::size_t state = 0; state < kStates; ++state) {
            names.insert(std::string{name_of(static_cast<ClientState>(state))});
            const auto label = label_of(static_cast<ClientState>(state));
            CHECK(std::find(weir::proxy::kClientLabels.begin(),
                            weir::proxy::kClientLabels.end(),
                            label) != weir::proxy::kClientLabels.end());
        }
        CHECK(names.size() == kStates);
    }
}
