#include "net/turn_end.hpp"
#include "tests/support/loop_support.hpp"

#include <doctest/doctest.h>

#include <memory>

namespace weir::net {
namespace {

using std::chrono::milliseconds;
using test::turn_for;
using test::turn_until;

TEST_SUITE("net_turn_end") {
    TEST_CASE("turn end: asked for several times in one turn it runs once, after the turn") {
        EventLoop loop;
        int runs = 0;
        int runs_within = 0;
        TurnEnd end{loop, [&] {
                        ++runs;
                        loop.post([] {});  // or the loop would wait, and the test with it
                    }};
        turn_for(loop, milliseconds{5});
        CHECK(runs == 0);
        for (int turn = 1; turn <= 3; ++turn) {
            loop.post([&] {
                end.arm();
                end.arm();
                runs_within = runs;
            });
            CHECK(turn_until(loop, [&] { return runs == turn; }));
            CHECK(runs_within == turn - 1);
            turn_for(loop, milliseconds{5});
            CHECK(runs == turn);
        }
    }

    TEST_CASE("turn end: asked for within itself it runs once more, in the next turn") {
        EventLoop loop;
        int runs = 0;
        std::unique_ptr<TurnEnd> end;
        end = std::make_unique<TurnEnd>(loop, [&] {
            loop.post([] {});
            if (++runs == 1) {
                end->arm();
            }
        });
        end->arm();
        CHECK(turn_until(loop, [&] { return runs == 2; }));
        turn_for(loop, milliseconds{5});
        CHECK(runs == 2);
    }

    TEST_CASE("turn end: destroyed it runs nothing, and it may destroy itself") {
        EventLoop loop;
        int runs = 0;
        auto end = std::make_unique<TurnEnd>(loop, [&runs] { ++runs; });
        end->arm();
        end.reset();
        turn_for(loop, milliseconds{5});
        CHECK(runs == 0);
        end = std::make_unique<TurnEnd>(loop, [&] {
            ++runs;
            end.reset();
        });
        end->arm();
        turn_for(loop, milliseconds{5});
        CHECK(runs == 1);
    }
}

}  // namespace
}  // namespace weir::net
