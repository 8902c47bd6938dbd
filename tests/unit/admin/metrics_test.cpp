#include "admin/metrics.hpp"

#include "fake_status.hpp"
#include "golden.hpp"

namespace weir::admin {

TEST_SUITE("admin metrics") {
    TEST_CASE("metrics of a full snapshot read as they always did") {
        test::check_golden(WEIR_GOLDEN_DIR "/metrics.txt",
                           render_metrics(test::sample_snapshot(), "1.2.3"));
    }

    TEST_CASE("an idle process has its metrics too") {
        const std::string text = render_metrics(status::Snapshot{}, "1.2.3");
        CHECK(text.find("weir_build_info{version=\"1.2.3\"} 1\n") != std::string::npos);
        CHECK(text.find("# TYPE weir_pool_connections gauge\n") != std::string::npos);
    }

    TEST_CASE("health follows usage and wait, whichever is worse") {
        const auto health = [](std::uint64_t active, std::int64_t wait_us) {
            status::Snapshot snapshot;
            status::Pool& pool = snapshot.pools.emplace_back();
            pool.database = "d";
            pool.user = "u";
            pool.size_max = 100;
            pool.backends_active = active;
            pool.longest_wait_us = wait_us;
            const std::string text = render_metrics(snapshot, "1");
            const std::string head = "weir_pool_health{database=\"d\",user=\"u\"} ";
            const std::size_t at = text.find(head);
            REQUIRE(at != std::string::npos);
            return text.at(at + head.size());
        };
        CHECK(health(0, 0) == '0');
        CHECK(health(79, 99'999) == '0');
        CHECK(health(80, 0) == '1');
        CHECK(health(0, 100'000) == '1');
        CHECK(health(94, 999'999) == '1');
        CHECK(health(95, 0) == '2');
        CHECK(health(0, 1'000'000) == '2');
    }

    TEST_CASE("names in labels are escaped") {
        status::Snapshot snapshot;
        status::Pool& pool = snapshot.pools.emplace_back();
        pool.database = "a\"b\\c\nd";
        const std::string text = render_metrics(snapshot, "1");
        CHECK(text.find("database=\"a\\\"b\\\\c\\nd\"") != std::string::npos);
    }

    TEST_CASE("docs/metrics.md is the table") {
        test::check_golden(WEIR_DOCS_DIR "/metrics.md", metrics_markdown());
    }
}

}  // namespace weir::admin
