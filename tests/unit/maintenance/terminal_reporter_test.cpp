#include "maintenance/terminal_reporter.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <sstream>

using namespace weir::maintenance;
using namespace std::chrono_literals;

TEST_CASE("A progress line says what is known") {
    CHECK(progress_line({"create", 0, 0, ""}, 0, 0ms) == "create 0");
    CHECK(progress_line({"create", 3, 12, "partitions"}, 0, 100ms) ==
          "create 3/12 partitions, 25 %");
    CHECK(progress_line({"copy", 1000, 5000, "rows"}, 0, 2000ms) ==
          "copy 1000/5000 rows, 20 %, 500/s, 9 s left");
    CHECK(progress_line({"copy", 1000, 0, "rows"}, 500, 1000ms) == "copy 1000 rows, 500/s");
    CHECK(progress_line({"copy", 10, 7210, "rows"}, 0, 10s) ==
          "copy 10/7210 rows, 0 %, 1.0/s, 2.0 h left");
}

TEST_CASE("Statements are shown where they are not run, with what they lock") {
    std::ostringstream out;
    std::ostringstream remarks;
    TerminalReporter dry{out, remarks, TerminalReporter::Form::Plain, true};
    dry.statement("DROP TABLE a", "ACCESS EXCLUSIVE on a");
    dry.statement("SELECT 1", "");
    CHECK(out.str() == "-- locks: ACCESS EXCLUSIVE on a\nDROP TABLE a;\nSELECT 1;\n");
    std::ostringstream nothing;
    TerminalReporter wet{nothing, remarks, TerminalReporter::Form::Plain, false};
    wet.statement("DROP TABLE a", "");
    CHECK(nothing.str().empty());
    CHECK_FALSE(wet.has_warned());
    wet.warn("odd");
    CHECK(wet.has_warned());
    CHECK(remarks.str() == "warning: odd\n");
}

TEST_CASE("On a terminal the line is written over, and cleared before anything else") {
    std::ostringstream remarks;
    {
        TerminalReporter reporter{remarks, remarks, TerminalReporter::Form::Terminal, false};
        reporter.progress({"create", 1, 2, "partitions"});
        reporter.note("made");
        reporter.progress({"create", 2, 2, "partitions"});  // too soon for another
    }
    CHECK(remarks.str() == "\r\033[Kcreate 1/2 partitions, 50 %\r\033[Kmade\n");
}
