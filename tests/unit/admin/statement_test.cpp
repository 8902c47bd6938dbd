#include "admin/statement.hpp"

#include <doctest/doctest.h>

namespace weir::admin {

namespace {

/// Words joined by '·', statements by '|'.
std::string split(std::string_view text) {
    const auto statements = split_statements(text);
    if (!statements) {
        return "error " + statements.error().sqlstate().text();
    }
    std::string result;
    for (const Statement& statement : *statements) {
        result += result.empty() ? "" : "|";
        for (std::size_t i = 0; i < statement.words.size(); ++i) {
            result += (i == 0 ? "" : " ") + statement.words[i];
        }
    }
    return result;
}

}  // namespace

TEST_SUITE("admin statement") {
    TEST_CASE("splitter cuts at semicolons and ignores what is empty") {
        CHECK(split("").empty());
        CHECK(split(" ;; -- nothing\n ; /* here */ ").empty());
        CHECK(split("SHOW pools") == "show pools");
        CHECK(split(";SHOW POOLS;; show\tLists ; ") == "show pools|show lists");
    }

    TEST_CASE("splitter skips comments, also nested ones") {
        CHECK(split("-- why; not\nSHOW /* a /* b; */ c */ POOLS -- end") == "show pools");
        CHECK(split("SHOW/**/POOLS") == "show pools");
        CHECK(split("SHOW POOLS --") == "show pools");
    }

    TEST_CASE("splitter keeps quoted text together") {
        CHECK(split("SET x = 'a;b''c'") == "set x = 'a;b'c'");
        CHECK(split("DEALLOCATE \"My;\"\"Name\"") == "deallocate My;\"Name");
        CHECK(split("SELECT $$a;b$$, $t$ $$ ; $t$") == "select 'a;b' , ' $$ ; '");
        CHECK(split("SELECT $1") == "select $ 1");
        CHECK(split("a $ b; c $ d") == "a $ b|c $ d");
    }

    TEST_CASE("splitter separates signs from words and numbers from names") {
        CHECK(split("SELECT version()") == "select version ( )");
        CHECK(split("SET a=1") == "set a = 1");
        CHECK(split("12ab ab12") == "12 ab ab12");
    }

    TEST_CASE("splitter refuses what has no end") {
        for (const std::string_view text :
             {"'abc", "SHOW \"abc", "/* abc", "/* /* */", "$$ abc", "$a$ abc $b$", "/*", "'"}) {
            CAPTURE(text);
            CHECK(split(text) == "error 42601");
        }
    }

    TEST_CASE("splitter keeps the text as typed") {
        const auto statements = split_statements(" Show  FOO ; Bar;");
        REQUIRE(statements.has_value());
        REQUIRE(statements->size() == 2);
        CHECK((*statements)[0].text == "Show  FOO");
        CHECK((*statements)[1].text == "Bar");
    }

    TEST_CASE("splitter has limits") {
        CHECK(split(std::string(kMaxTextBytes + 1, ' ')) == "error 54000");
        CHECK(split(std::string(kMaxTextBytes, ' ')).empty());
        std::string many;
        for (std::size_t i = 0; i < kMaxStatements; ++i) {
            many += "a;";
        }
        CHECK(split_statements(many)->size() == kMaxStatements);
        CHECK(split(many + "a") == "error 54000");
    }
}

}  // namespace weir::admin
