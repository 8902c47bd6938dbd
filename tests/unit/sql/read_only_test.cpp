#include "sql/read_only.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "sql/statement_facts.hpp"

using weir::sql::may_run_read_only;
using weir::sql::QualifiedName;
using weir::sql::statement_facts;
using weir::sql::StatementFacts;

namespace {

bool runs(const std::string& sql) {
    return may_run_read_only(statement_facts(sql), sql);
}

}  // namespace

TEST_CASE("the table of what may run where nothing may be written") {
    std::ifstream file{WEIR_DATA_DIR "/read_only_statements.txt"};
    REQUIRE(file);
    int cases = 0;
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const std::size_t bar = line.find(" |");
        REQUIRE_MESSAGE(bar != std::string::npos, "line ", number);
        const std::string verdict = line.substr(0, bar);
        std::string statement = line.substr(bar + 2);
        for (std::size_t at = statement.find("\\n"); at != std::string::npos;
             at = statement.find("\\n")) {
            statement.replace(at, 2, "\n");
        }
        INFO("line ", number, ": ", statement);
        CHECK((verdict == "runs" || verdict == "refused"));
        CHECK(runs(statement) == (verdict == "runs"));
        // White space, a comment and a semicolon change nothing, in front and behind.
        if (verdict == "refused" || statement.find("--") == std::string::npos) {
            CHECK(runs(" /* SELECT */ ;" + statement) == (verdict == "runs"));
        }
        // What is refused is refused beside a read too.
        if (verdict == "refused") {
            CHECK_FALSE(runs("SELECT 1; " + statement));
        }
        ++cases;
    }
    CHECK(cases >= 200);
}

TEST_CASE("what is too large to be looked at may not run") {
    std::string several = "SELECT 1";
    for (std::size_t i = 0; i <= StatementFacts::kStatementsMax; ++i) {
        several += "; SELECT 1";
    }
    CHECK_FALSE(runs(several));
    std::string tables = "SELECT 1 FROM t0";
    for (std::size_t i = 1; i <= StatementFacts::kNamesMax; ++i) {
        tables += ", t" + std::to_string(i);
    }
    CHECK_FALSE(runs(tables));
    CHECK_FALSE(runs("LOCK TABLE" + tables.substr(std::string{"SELECT 1 FROM"}.size()) +
                     " IN ACCESS SHARE MODE"));
    CHECK_FALSE(runs(std::string{"SELECT 1\0", 9}));
}

TEST_CASE("all kinds of statements say which tables they are about") {
    const auto names = [](const char* sql) {
        const StatementFacts facts = statement_facts(sql);
        std::string all;
        for (const QualifiedName& table : facts.tables) {
            all += (all.empty() ? "" : ",") + table.schema + (table.schema.empty() ? "" : ".") +
                   table.name;
        }
        return facts.is_understood ? all : "?";
    };
    CHECK(names("TRUNCATE a, app.b") == "a,app.b");
    CHECK(names("LOCK a") == "a");
    CHECK(names("DROP TABLE a, app.b") == "a,app.b");
    CHECK(names("DROP VIEW v") == "v");
    CHECK(names("DROP TRIGGER tr ON app.b") == "app.b");
    CHECK(names("DROP FUNCTION f(int)") == "");
    CHECK(names("ALTER TABLE a RENAME TO z") == "a");
    CHECK(names("ALTER TABLE app.b ADD c int") == "app.b");
    CHECK(names("CREATE TABLE n AS SELECT * FROM a") == "a,n");
    CHECK(names("CREATE VIEW v AS WITH w AS (SELECT 1) SELECT * FROM w, a") == "a,v");
    CHECK(names("CREATE INDEX ON a (x)") == "a");
    CHECK(names("DECLARE c CURSOR FOR SELECT * FROM a") == "a");
    CHECK(names("PREPARE p AS INSERT INTO a SELECT * FROM b") == "a,b");
    CHECK(names("GRANT SELECT ON a TO x") == "a");
    CHECK(names("VACUUM a") == "a");
    CHECK(names("COMMENT ON COLUMN a.b IS 'x'") == "");
    CHECK(names("SELECT * FROM a; DROP TABLE b") == "a,b");
    CHECK(names("SET x.y = 1") == "");
    CHECK(names("nonsense") == "?");
}
