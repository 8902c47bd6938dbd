#include "maintenance/job_board.hpp"

#include <doctest/doctest.h>

#include <chrono>

namespace weir::maintenance {

TEST_SUITE("job_board") {
    TEST_CASE("job_board: rate and time left are those of the phase") {
        using std::chrono::seconds;
        JobBoard board;
        board.show_all(
            {{.name = "vacuum", .kind = "vacuum"}, {.name = "analyze", .kind = "analyze"}});
        const TimePoint start = Clock::now();
        board.progress("analyze", {"tables", 10, 40, "tables"}, start);
        CHECK_FALSE(board.jobs()[1].per_second);
        board.progress("analyze", {"tables", 20, 40, "tables"}, start + seconds{5});
        const status::Job job = board.jobs()[1];
        CHECK(job.phase == "tables");
        CHECK(job.done == 20);
        CHECK(job.total == 40);
        CHECK(job.unit == "tables");
        CHECK(job.per_second == 2.0);
        CHECK(job.left_s == 10);
        CHECK(board.jobs()[0].phase.empty());
        board.progress("analyze", {"indexes", 1, 0, "indexes"}, start + seconds{6});
        board.progress("analyze", {"indexes", 3, 0, "indexes"}, start + seconds{8});
        CHECK(board.jobs()[1].per_second == 1.0);
        CHECK_FALSE(board.jobs()[1].left_s);
    }

    TEST_CASE("job_board: what a job was is replaced whole, and one that is gone is forgotten") {
        JobBoard board;
        board.show_all({{.name = "vacuum"}, {.name = "analyze"}});
        board.progress("vacuum", {"tables", 1, 2, "tables"}, Clock::now());
        board.show(status::Job{.name = "vacuum", .state = "idle"});
        CHECK(board.jobs()[0].phase.empty());
        CHECK(board.jobs()[0].state == "idle");
        board.show_all({{.name = "analyze"}});
        board.progress("vacuum", {"tables", 1, 2, "tables"}, Clock::now());
        CHECK(board.jobs().size() == 1);
    }

    TEST_CASE("job_board: a job that is held back says why until it goes on") {
        JobBoard board;
        board.show_all({{.name = "vacuum", .state = "running"}, {.name = "analyze"}});
        BoardReporter reporter{board, "vacuum"};
        reporter.held_back("a pool is used to 100 %");
        CHECK(board.jobs()[0].state == "held");
        CHECK(board.jobs()[0].message == "a pool is used to 100 %");
        CHECK(board.jobs()[1].state.empty());
        reporter.held_back({});
        CHECK(board.jobs()[0].state == "running");
        CHECK(board.jobs()[0].message.empty());
        BoardReporter{board, "gone"}.held_back("nobody");
    }
}

}  // namespace weir::maintenance
