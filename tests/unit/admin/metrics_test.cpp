#include "admin/metrics.hpp"

#include <sstream>
#include <string>

#include "fake_status.hpp"
#include "golden.hpp"

namespace weir::admin {

namespace {

std::string rendered(const status::Snapshot& snapshot) {
    const conf::Config config;
    const StatsHistory history;
    return render_metrics({snapshot, config, history, "1.2.3"});
}

/// @return the cell of docs/metrics.md that names the labels of a family, "" = it has no row
std::string labels_cell(const std::string& family) {
    const std::string page = metrics_markdown();
    const std::size_t row = page.find("| `" + family + "` |");
    if (row == std::string::npos) {
        return {};
    }
    std::istringstream cells{page.substr(row)};
    std::string cell;
    for (int i = 0; i < 4; ++i) {
        std::getline(cells, cell, '|');
    }
    return cell;
}

}  // namespace

TEST_SUITE("admin metrics") {
    TEST_CASE("metrics of a full snapshot read as they always did") {
        test::check_golden(WEIR_GOLDEN_DIR "/metrics.txt", rendered(test::sample_snapshot()));
    }

    TEST_CASE("an idle process has its metrics too") {
        const std::string text = rendered(status::Snapshot{});
        CHECK(text.find("weir_build_info{version=\"1.2.3\"} 1\n") != std::string::npos);
        CHECK(text.find("# TYPE weir_pool_connections gauge\n") != std::string::npos);
    }

    TEST_CASE("health of pools and members has the numbers of its words") {
        status::Snapshot snapshot;
        snapshot.pools = {test::sample_pool("d", "u"), test::sample_pool("d", "u")};
        snapshot.pools[1].member = "10.0.0.2:5432";
        snapshot.pools[1].size_max = 0;
        status::Member& member = snapshot.members.emplace_back();
        member.cluster = "main";
        member.name = "10.0.0.2:5432";
        member.problem = "refused";
        conf::Config config;
        config.health.pool_usage = {0.01, 0.02};
        const StatsHistory history;
        const std::string text = render_metrics({snapshot, config, history, "1"});
        CHECK(text.find("weir_pool_health{database=\"d\",user=\"u\"} 2\n") != std::string::npos);
        CHECK(
            text.find("weir_pool_health{database=\"d\",user=\"u\",member=\"10.0.0.2:5432\"} 0\n") !=
            std::string::npos);
        CHECK(text.find("weir_member_health{cluster=\"main\",member=\"10.0.0.2:5432\"} 2\n") !=
              std::string::npos);
    }

    TEST_CASE("the page names the label that a pool of a replica has on top") {
        status::Snapshot snapshot;
        snapshot.pools = {test::sample_pool("d", "u")};
        snapshot.pools[0].member = "b:2";
        std::istringstream lines{rendered(snapshot)};
        std::string family;
        int count = 0;
        for (std::string line; std::getline(lines, line);) {
            if (line.starts_with("# TYPE ")) {
                family = line.substr(7, line.find(' ', 7) - 7);
            } else if (line.find("member=\"b:2\"") != std::string::npos) {
                ++count;
                CHECK_MESSAGE(labels_cell(family).find("[member]") != std::string::npos, family);
            }
        }
        CHECK(count >= 7);
    }

    TEST_CASE("names in labels are escaped") {
        status::Snapshot snapshot;
        status::Pool& pool = snapshot.pools.emplace_back();
        pool.database = "a\"b\\c\nd";
        const std::string text = rendered(snapshot);
        CHECK(text.find("database=\"a\\\"b\\\\c\\nd\"") != std::string::npos);
    }

    TEST_CASE("docs/metrics.md is the table") {
        test::check_golden(WEIR_DOCS_DIR "/metrics.md", metrics_markdown());
    }
}

}  // namespace weir::admin
