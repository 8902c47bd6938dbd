#include "ledger/error_pattern.hpp"

#include <doctest/doctest.h>

#include <string>
#include <utility>

namespace weir::ledger {

TEST_SUITE("error pattern") {
    TEST_CASE("error pattern: numbers, quoted text and hexadecimal words are gone") {
        const std::pair<const char*, const char*> cases[] = {
            {"", ""},
            {"deadlock detected", "deadlock detected"},
            {"duplicate key value violates unique constraint \"users_pkey\"",
             "duplicate key value violates unique constraint ?"},
            {"invalid input syntax for type integer: \"12x\"",
             "invalid input syntax for type integer: ?"},
            {"value 12345 is out of range", "value ? is out of range"},
            {"division of 12.5 by 0.", "division of ? by ?."},
            {"at 2026-11-22 10:20:30", "at ? ?"},
            {"no such id 550e8400-e29b-41d4-a716-446655440000", "no such id ?"},
            {"address 0xDEADBEEF, offset 0x1f", "address ?, offset ?"},
            {"relation t1 does not exist", "relation t1 does not exist"},
            {"it's not 'a thing' of ours", "it's not ? of ours"},
            {"an open \"quote never ends", "an open ?"},
            {"deadbeef", "deadbeef"},
            {"Process 123 waits for ShareLock on transaction 456; blocked by process 789.",
             "Process ? waits for ShareLock on transaction ?; blocked by process ?."},
        };
        for (const auto& each : cases) {
            const char* message = each.first;
            const char* pattern = each.second;
            CAPTURE(message);
            CHECK(error_pattern(message) == pattern);
        }
    }

    TEST_CASE("error pattern: a long message is cut between characters") {
        std::string message;
        for (int i = 0; i < 1000; ++i) {
            message += "\xC3\xA4";
        }
        const std::string pattern = error_pattern(message);
        CHECK(pattern.size() <= kErrorPatternMax + 1);
        CHECK(pattern.size() % 2 == 0);
        CHECK(error_pattern("x" + message).size() % 2 == 1);
    }
}

}  // namespace weir::ledger
