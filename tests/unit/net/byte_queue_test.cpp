#include "net/byte_queue.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <utility>

namespace weir::net {
namespace {

std::string text_of(const ByteQueue& queue) {
    return std::string{as_text(queue.view())};
}

TEST_SUITE("byte_queue") {
    TEST_CASE("byte queue: begins empty") {
        const ByteQueue queue;
        CHECK(queue.empty());
        CHECK(queue.size() == 0);
        CHECK(queue.view().empty());
    }

    TEST_CASE("byte queue: gives back in order what was put in") {
        ByteQueue queue;
        queue.append(as_bytes("SELECT "));
        queue.append(as_bytes(""));
        queue.append(as_bytes("1"));
        CHECK(text_of(queue) == "SELECT 1");
        queue.consume(3);
        CHECK(text_of(queue) == "ECT 1");
        CHECK(queue.size() == 5);
        queue.append(as_bytes(";"));
        CHECK(text_of(queue) == "ECT 1;");
    }

    TEST_CASE("byte queue: is empty once all is consumed, and usable again") {
        ByteQueue queue;
        queue.append(as_bytes("abc"));
        queue.consume(3);
        CHECK(queue.empty());
        queue.append(as_bytes("de"));
        CHECK(text_of(queue) == "de");
        queue.clear();
        CHECK(queue.empty());
        queue.consume(0);
        CHECK(queue.empty());
    }

    TEST_CASE("byte queue: one that was moved from is empty") {
        // NOLINTBEGIN(bugprone-use-after-move): the subject of this test
        ByteQueue from;
        from.append(as_bytes("abcdef"));
        from.consume(2);
        ByteQueue to{std::move(from)};
        CHECK(text_of(to) == "cdef");
        CHECK(from.empty());
        CHECK(from.size() == 0);
        from.append(as_bytes("xyz"));
        CHECK(text_of(from) == "xyz");
        from.consume(1);
        to = std::move(from);
        CHECK(text_of(to) == "yz");
        CHECK(from.empty());
        // NOLINTEND(bugprone-use-after-move)
    }

    TEST_CASE("byte queue: agrees with a string through any mix of appends and consumes") {
        constexpr unsigned kSeed = 20240311;
        CAPTURE(kSeed);
        std::mt19937 random{kSeed};  // NOLINT(cert-msc51-cpp): the same numbers every time
        ByteQueue queue;
        std::string model;
        for (int step = 0; step < 3000; ++step) {
            if (random() % 2 == 0) {
                std::string piece(random() % 40, '\0');
                for (char& c : piece) {
                    c = static_cast<char>('a' + random() % 26);
                }
                queue.append(as_bytes(piece));
                model += piece;
            } else {
                const std::size_t count = random() % (model.size() + 1);
                queue.consume(count);
                model.erase(0, count);
            }
            CAPTURE(step);
            REQUIRE(text_of(queue) == model);
            REQUIRE(queue.size() == model.size());
            REQUIRE(queue.empty() == model.empty());
        }
    }
}

}  // namespace
}  // namespace weir::net
