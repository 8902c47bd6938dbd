#include "maintenance/identifier.hpp"

#include "maintenance/runner_lock.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace weir::maintenance;

TEST_CASE("Names and texts are quoted whatever is in them") {
    CHECK(quote_identifier("events") == "\"events\"");
    CHECK(quote_identifier("Odd \"Name\"") == "\"Odd \"\"Name\"\"\"");
    CHECK(quote_literal("it's") == "'it''s'");
    CHECK(quote_literal("a\\b") == "E'a\\\\b'");
    CHECK(Relation{1, "public", "a\"b", 'r'}.sql() == "\"public\".\"a\"\"b\"");
}

TEST_CASE("A name fits into 63 bytes, and what differs stays different") {
    CHECK(fit_name("events", "_p202612") == "events_p202612");
    const std::string full(55, 'x');
    CHECK(fit_name(full, "_p202612") == full + "_p202612");  // 63
    const std::string one = fit_name(full + "y", "_p202612");
    const std::string other = fit_name(full + "z", "_p202612");
    CHECK(one.size() == 63);
    CHECK(one != other);
    CHECK(one.ends_with("_p202612"));
}

TEST_CASE("A name is not cut within a character") {
    std::string name;
    for (int i = 0; i < 40; ++i) {
        name += "ä";  // two bytes
    }
    const std::string fitted = fit_name(name, "_p2026");
    CHECK(fitted.size() <= 63);
    const std::size_t cut = fitted.find('_');
    REQUIRE(cut != std::string::npos);
    CHECK(cut % 2 == 0);
}

TEST_CASE("A job's lock has the same key in every process") {
    CHECK(RunnerLock::key_of("partition public.events") ==
          RunnerLock::key_of("partition public.events"));
    CHECK(RunnerLock::key_of("partition public.events") !=
          RunnerLock::key_of("retention public.events"));
}
