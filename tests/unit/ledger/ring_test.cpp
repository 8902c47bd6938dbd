#include "ledger/ring.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <thread>

namespace weir::ledger {

TEST_SUITE("ring") {
    TEST_CASE("ring: gives what it took, in order, and refuses when it is full") {
        Ring<std::unique_ptr<int>> ring{3};
        for (int round = 0; round < 5; ++round) {
            for (int i = 0; i < 3; ++i) {
                CHECK(ring.push(std::make_unique<int>(i)));
            }
            CHECK(ring.size() == 3);
            auto refused = std::make_unique<int>(9);
            CHECK_FALSE(ring.push(std::move(refused)));
            CHECK(refused != nullptr);  // NOLINT(bugprone-use-after-move): refused things stay
            for (int i = 0; i < 3; ++i) {
                const auto item = ring.pop();
                REQUIRE(item);
                CHECK(**item == i);
            }
            CHECK_FALSE(ring.pop());
        }
    }

    TEST_CASE("ring: two threads lose nothing and repeat nothing") {
        constexpr int kCount = 200'000;
        Ring<int> ring{64};
        std::thread writer{[&ring] {
            for (int i = 1; i <= kCount;) {
                if (ring.push(int{i})) {
                    ++i;
                } else {
                    std::this_thread::yield();
                }
            }
        }};
        int expected = 1;
        bool is_in_order = true;
        while (expected <= kCount) {
            if (const auto item = ring.pop()) {
                is_in_order = is_in_order && *item == expected;
                ++expected;
            } else {
                std::this_thread::yield();
            }
        }
        writer.join();
        CHECK(is_in_order);
    }
}

}  // namespace weir::ledger
