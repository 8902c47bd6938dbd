#include "pool/backend_state.hpp"

#include <doctest/doctest.h>

#include <array>
#include <optional>

using weir::pool::BackendEvent;
using weir::pool::BackendState;
using weir::pool::next_state;

namespace {

constexpr std::size_t kStates = 9;
constexpr std::size_t kEvents = 13;
constexpr int kNone = -1;

// Typed independently of the rules: a row per state, a column per event, in the order of the enums.
//                Connected LoggedIn Prepared CheckBegan CheckPassed Lent Clean Dirty UnderCancel
//                Cleaned CancelEnded Redialled Ended
constexpr std::array<std::array<int, kEvents>, kStates> kExpected = {{
    {1,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     8},                                                                              // Connecting
    {kNone, 2, kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone, 0, 8},  // LoggingIn
    {kNone,
     kNone,
     3,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     8},                                                                              // Preparing
    {kNone, kNone, kNone, 4, kNone, 5, kNone, kNone, kNone, kNone, kNone, kNone, 8},  // Idle
    {kNone,
     kNone,
     kNone,
     kNone,
     3,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     8},                                                                              // Checking
    {kNone, kNone, kNone, kNone, kNone, kNone, 3, 6, 7, kNone, kNone, kNone, 8},      // Leased
    {kNone, kNone, kNone, kNone, kNone, kNone, kNone, kNone, 7, 3, kNone, kNone, 8},  // Cleaning
    {kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     6,
     kNone,
     kNone,
     3,
     kNone,
     8},  // BeingCanceled
    {kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone,
     kNone},  // Closed
}};

}  // namespace

TEST_SUITE("backend state") {
    TEST_CASE("backend state: every event in every state leads where the table says, or nowhere") {
        for (std::size_t state = 0; state < kStates; ++state) {
            for (std::size_t event = 0; event < kEvents; ++event) {
                CAPTURE(state);
                CAPTURE(event);
                const auto to =
                    next_state(static_cast<BackendState>(state), static_cast<BackendEvent>(event));
                CHECK((to ? static_cast<int>(*to) : kNone) == kExpected[state][event]);
            }
        }
    }

    TEST_CASE("backend state: a backend is lent from the idle list alone") {
        for (std::size_t state = 0; state < kStates; ++state) {
            const bool can_be_lent =
                next_state(static_cast<BackendState>(state), BackendEvent::Lent).has_value();
            CHECK(can_be_lent == (static_cast<BackendState>(state) == BackendState::Idle));
        }
    }
}
