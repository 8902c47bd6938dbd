#include "admin/ledger_command.hpp"

#include "tests/support/ledger_support.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <sstream>
#include <string>

namespace weir::admin {

namespace {

/// What a command has printed.
struct Printed {
    std::ostringstream out;
    std::ostringstream problems;
    int status = 0;

    [[nodiscard]] LedgerCommand command(const std::string& file) {
        return {.file = file, .cursor = "", .out = out, .problems = problems};
    }

    [[nodiscard]] std::size_t lines() const {
        const std::string text = out.str();
        return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    }
};

/// A file with 1500 slow statements, of which each hundredth took a second.
struct Filed {
    test::Folder folder;
    std::string file = folder.file();

    Filed() {
        ledger::Ledger ledger{test::ledger_options(file)};
        const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
        const auto digest = test::make_digest(7, "select \"a,b\"\nfrom t");
        for (int i = 0; i < 1500; ++i) {
            auto statement = test::make_statement(
                digest, test::make_labels(), now - 10'000'000 + i, i % 100 == 0 ? 1'000'000 : 2000);
            statement.is_slow = true;
            ledger.recorder(0).add(std::move(statement));
            if (i % 200 == 0) {
                REQUIRE(ledger.sync(test::kPatience));
            }
        }
        ledger.recorder(0).hand_over();
        REQUIRE(ledger.sync(test::kPatience));
    }
};

}  // namespace

TEST_SUITE("ledger command") {
    TEST_CASE("slow queries: as many as wanted, those that took as long, and where to go on") {
        const Filed filed;
        Printed all;
        CHECK(print_slow_queries(all.command(filed.file)) == kLedgerFine);
        CHECK(all.lines() == 1 + 20 + 2);
        CHECK(all.out.str().find("\nmore: --cursor ") != std::string::npos);

        Printed first;
        auto command = first.command(filed.file);
        command.threshold_ms = 500;
        command.limit = 10;
        command.form = ReportForm::Json;
        CHECK(print_slow_queries(command) == kLedgerFine);
        const auto page = nlohmann::json::parse(first.out.str());
        CHECK(page["items"].size() == 10);
        Printed second;
        auto next = second.command(filed.file);
        next.threshold_ms = 500;
        next.limit = 10;
        next.form = ReportForm::Json;
        next.cursor = page["next"].get<std::string>();
        CHECK(print_slow_queries(next) == kLedgerFine);
        const auto rest = nlohmann::json::parse(second.out.str());
        CHECK(rest["items"].size() == 5);
        CHECK(rest["next"].is_null());
        CHECK(rest["items"][0]["ended"] < page["items"][9]["ended"]);
    }

    TEST_CASE("export: all pages under one header, texts quoted") {
        const Filed filed;
        Printed printed;
        CHECK(print_export(printed.command(filed.file), "slow") == kLedgerFine);
        const std::string text = printed.out.str();
        CHECK(text.starts_with("ended,database,user,"));
        CHECK(text.find("\"select \"\"a,b\"\"\nfrom t\"") != std::string::npos);
        std::size_t rows = 0;
        for (std::size_t at = text.find("\r\n"); at != std::string::npos;
             at = text.find("\r\n", at + 1)) {
            ++rows;
        }
        CHECK(rows == 1 + 1500);
        for (const char* table : {"statements", "errors", "sessions", "events", "audit"}) {
            CAPTURE(table);
            CHECK(print_export(printed.command(filed.file), table) == kLedgerFine);
        }
        CHECK(print_export(printed.command(filed.file), "nothing") == kLedgerFailed);
        CHECK(printed.problems.str().find("\"nothing\" is no table") != std::string::npos);
    }

    TEST_CASE("query: reads, and nothing else") {
        const Filed filed;
        Printed printed;
        auto command = printed.command(filed.file);
        command.form = ReportForm::Csv;
        CHECK(print_query(command, "SELECT count(*) AS n, 1.5 AS x, NULL AS z FROM statement") ==
              kLedgerFine);
        CHECK(printed.out.str() == "n,x,z\r\n1500,1.5,\r\n");
        CHECK(print_query(command, "DELETE FROM statement") == kLedgerFailed);
        CHECK(print_query(command, "SELECT nonsense") == kLedgerFailed);
        CHECK(printed.problems.str().find("no such column: nonsense") != std::string::npos);
        Printed bytes;
        CHECK(print_query(bytes.command(filed.file), "SELECT total FROM hourly_hist LIMIT 1") ==
              kLedgerFine);
        CHECK(bytes.out.str().find("\\x02") != std::string::npos);
    }

    TEST_CASE("summary: sums, errors and waits") {
        const Filed filed;
        Printed printed;
        auto command = printed.command(filed.file);
        command.form = ReportForm::Csv;
        CHECK(print_summary(command) == kLedgerFine);
        CHECK(printed.out.str().find("statements,1500,") != std::string::npos);
    }

    TEST_CASE("summary: days of which there are no hours any more count too") {
        const Filed filed;
        {
            ledger::Connection connection;
            REQUIRE(connection.open(filed.file, ledger::Connection::Mode::Write));
            REQUIRE(connection.execute(
                "INSERT INTO daily SELECT unixepoch() / 86400 - 5, digest, db, usr, app, calls, "
                "errors, rows, bytes, total_us, server_us, wait_us, sending_us, min_us, max_us, "
                "retried, cut, cache_hits, cache_misses, cache_saved_us FROM hourly LIMIT 1;"
                "UPDATE daily SET calls = 40000;"
                "INSERT INTO meta(key, value) VALUES ('summed_day', unixepoch() / 86400 - 1)"
                " ON CONFLICT DO UPDATE SET value = excluded.value"));
        }
        Printed printed;
        auto command = printed.command(filed.file);
        command.form = ReportForm::Csv;
        command.hours = 720;
        CHECK(print_summary(command) == kLedgerFine);
        CHECK(printed.out.str().find("statements,41500,") != std::string::npos);
        CHECK(printed.out.str().find("different statements,1,") != std::string::npos);
    }

    TEST_CASE("backup: a ledger again, and never over another file") {
        const Filed filed;
        Printed printed;
        const std::string copy = filed.folder.file("copy.db");
        CHECK(print_backup(printed.command(filed.file), copy) == kLedgerFine);
        CHECK(print_backup(printed.command(filed.file), copy) == kLedgerFailed);
        Printed of_copy;
        auto command = of_copy.command(copy);
        command.form = ReportForm::Csv;
        CHECK(print_query(command, "SELECT count(*) AS n FROM statement") == kLedgerFine);
        CHECK(of_copy.out.str() == "n\r\n1500\r\n");
    }

    TEST_CASE("verify: an audit that was changed is told by its line, with status 2") {
        const Filed filed;
        {
            ledger::Ledger ledger{test::ledger_options(filed.file)};
            for (const char* text : {"one", "two", "three"}) {
                ledger.note(events::Deed{
                    .who = "admin", .from = "", .action = "PAUSE", .object = "", .text = text});
            }
            REQUIRE(ledger.sync(test::kPatience));
        }
        Printed fine;
        CHECK(print_verification(fine.command(filed.file)) == kLedgerFine);
        CHECK(fine.out.str() == "the audit is in order up to line 3\n");
        {
            ledger::Connection connection;
            REQUIRE(connection.open(filed.file, ledger::Connection::Mode::Write));
            REQUIRE(connection.execute("UPDATE audit SET text = 'other' WHERE id = 2"));
        }
        Printed changed;
        CHECK(print_verification(changed.command(filed.file)) == kLedgerFailed);
        CHECK(changed.problems.str() == "weir: the audit is not in order from line 2 on\n");
        CHECK(changed.out.str().empty());
    }

    TEST_CASE("no file: said on the side of problems, with status 2") {
        for (const auto& [name, said] :
             {std::pair{"", "the ledger is off"},
              std::pair{":memory:", "only the running Weir knows it"},
              std::pair{"/nonexistent/ledger.db", "cannot read /nonexistent/ledger.db"},
              std::pair{"/proc/version", "cannot read /proc/version"}}) {
            const std::string file = name;
            CAPTURE(file);
            Printed printed;
            CHECK(print_summary(printed.command(file)) == kLedgerFailed);
            CHECK(printed.problems.str().find(said) != std::string::npos);
            CHECK(printed.out.str().empty());
        }
    }
}

TEST_SUITE("report table") {
    TEST_CASE("text is aligned and cannot steer a terminal") {
        constexpr Column kColumns[] = {{"name", ColumnType::Text},
                                       {"n", ColumnType::Int8},
                                       {"ms", ColumnType::Float8},
                                       {"query", ColumnType::Text}};
        const std::vector<Row> rows{
            {"é", std::int64_t{7}, 1.5, "select\n\x1b[31m1"},
            {std::string(80, 'x'), std::int64_t{1000}, Cell{}, std::string(80, 'y')}};
        std::ostringstream out;
        print_report(out, ReportForm::Text, kColumns, rows);
        const std::string pad(60, ' ');
        CHECK(out.str() == "name" + pad.substr(0, 56) + "     n     ms  query\n" + "é" +
                               pad.substr(0, 59) + "     7  1.500  select  [31m1\n" +
                               std::string(60, 'x') + "  1000         " + std::string(80, 'y') +
                               "\n" + std::string(20, 'x') + "\n");
    }

    TEST_CASE("a long text goes on below, between words and whole characters, and ends somewhere") {
        constexpr Column kColumns[] = {{"what", ColumnType::Text}, {"n", ColumnType::Int8}};
        const auto printed = [&](const std::string& what) {
            std::ostringstream out;
            print_report(out, ReportForm::Text, kColumns, std::vector<Row>{{what, Cell{}}});
            return out.str().substr(out.str().find('\n') + 1);
        };
        CHECK(printed(std::string(58, 'x') + " yy") == std::string(58, 'x') + "\nyy\n");
        CHECK(printed(std::string(60, 'x')) == std::string(60, 'x') + "\n");
        CHECK(printed(std::string(59, 'x') + "éz") == std::string(59, 'x') + "\néz\n");
        const std::string endless = printed(std::string(10'000, 'x'));
        CHECK(std::count(endless.begin(), endless.end(), '\n') == 8);
        CHECK(endless.ends_with("x…\n"));
    }
}

}  // namespace weir::admin
