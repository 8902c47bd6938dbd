#include "sql/plan_text.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace weir::sql {

namespace {

constexpr std::string_view kPlan = R"json([
  {
    "Plan": {
      "Node Type": "Nested Loop",
      "Join Type": "Inner",
      "Total Cost": 17.25,
      "Output": ["o.id", "'secret1'::text", "1234567"],
      "Plans": [
        {
          "Node Type": "Index Scan",
          "Parent Relationship": "Outer",
          "Schema": "public",
          "Relation Name": "orders 2024",
          "Alias": "o",
          "Index Name": "orders_pkey",
          "Index Cond": "(o.id = ANY ('{secret2,b}'::text[]))",
          "Filter": "((o.name ~~ 'it''s secret3 \\ %'::text) AND (o.price > 12.5e3) AND (o.a1 = $0))"
        },
        {
          "Node Type": "Foreign Scan",
          "Relation Name": "items",
          "Remote SQL": "SELECT a FROM public.items WHERE ((b = E'secret4\\n')) AND c = 77::integer",
          "Something New": [{"Deep": ["x = 'secret5'"]}]
        }
      ]
    },
    "Settings": {"search_path": "\"my schema 7\", public", "work_mem": "64MB"},
    "Query Identifier": -5
  }
])json";

std::uint64_t shape_of_plan(const std::string& plan) {
    const auto read = read_plan(plan, PlanLiterals::Masked);
    REQUIRE(read);
    return read->shape;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
    std::string result{text};
    const std::size_t at = result.find(from);
    REQUIRE(at != std::string::npos);
    return result.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("literals of expressions are masked") {
    CHECK(without_literals("(a = 5)") == "(a = ?)");
    CHECK(without_literals("(a = '-5'::integer)") == "(a = ?::integer)");
    CHECK(without_literals("((b)::text = 'it''s'::text)") == "((b)::text = ?::text)");
    CHECK(without_literals("(c = E'a\\'b')") == "(c = ?)");
    CHECK(without_literals("(c = B'0101') AND (d = $1) AND (e = $0)") ==
          "(c = ?) AND (d = $1) AND (e = $0)");
    CHECK(without_literals("\"Name 5\".a5 > 1.5e10") == "\"Name 5\".a5 > ?");
    CHECK(without_literals("a /* 5 secret */ = 5 -- secret") == "a = ?");
    CHECK(without_literals("(a = 'never ends") == "(a = ?");
    CHECK(without_literals("(a = $tag$secret$tag$)") == "(a = ?)");
    CHECK(without_literals("").empty());
}

TEST_CASE("a plan keeps names and loses literals") {
    const auto read = read_plan(kPlan, PlanLiterals::Masked);
    REQUIRE(read);
    const std::string& json = read->json;
    CHECK(json.find("secret") == std::string::npos);
    CHECK(json.find("1234567") == std::string::npos);
    CHECK(json.find("12.5") == std::string::npos);
    CHECK(json.find("77") == std::string::npos);
    CHECK(json.find(R"("Relation Name":"orders 2024")") != std::string::npos);
    CHECK(json.find(R"("Total Cost":17.25)") != std::string::npos);
    CHECK(json.find(R"x("Index Cond":"(o.id = ANY (?::text[]))")x") != std::string::npos);
    CHECK(json.find(R"((o.price > ?) AND (o.a1 = $0))") != std::string::npos);
    CHECK(json.find(R"("work_mem":"64MB")") != std::string::npos);
    CHECK(json.find('\n') == std::string::npos);
    CHECK(json.find("Node Type") < json.find("Join Type"));
}

TEST_CASE("where parameters may be told literals stay") {
    const auto read = read_plan(kPlan, PlanLiterals::Kept);
    REQUIRE(read);
    CHECK(read->json.find("secret1") != std::string::npos);
    CHECK(read->json.find("secret5") != std::string::npos);
    CHECK(read->shape == read_plan(kPlan, PlanLiterals::Masked)->shape);
}

TEST_CASE("the shape is nodes, relations and indexes") {
    const std::uint64_t shape = shape_of_plan(std::string{kPlan});
    CHECK(shape_of_plan(replaced(kPlan, "17.25", "99")) == shape);
    CHECK(shape_of_plan(replaced(kPlan, "12.5e3", "7")) == shape);
    CHECK(shape_of_plan(replaced(kPlan, "64MB", "8MB")) == shape);
    CHECK(shape_of_plan(replaced(kPlan, "Index Scan", "Seq Scan")) != shape);
    CHECK(shape_of_plan(replaced(kPlan, "orders_pkey", "orders_name")) != shape);
    CHECK(shape_of_plan(replaced(kPlan, "items", "parts")) != shape);
    CHECK(shape_of_plan(replaced(kPlan, "\"Inner\"", "\"Left\"")) != shape);
    // Who is whose child counts.
    const std::string flat =
        R"([{"Plan":{"Node Type":"A","Plans":[{"Node Type":"B"},{"Node Type":"C"}]}}])";
    const std::string deep =
        R"([{"Plan":{"Node Type":"A","Plans":[{"Node Type":"B","Plans":[{"Node Type":"C"}]}]}}])";
    CHECK(shape_of_plan(flat) != shape_of_plan(deep));
}

TEST_CASE("what is no plan is none") {
    for (const char* text : {"",
                             "[",
                             "[]",
                             "{}",
                             "[1]",
                             "[{}]",
                             R"([{"Plan": 5}])",
                             R"([{"Plan": {}}, {"Plan": {}}])",
                             "[{\"Plan\": {\"Alias\": \"\xff\"}}]",
                             "EXPLAIN"}) {
        CAPTURE(text);
        CHECK_FALSE(read_plan(text, PlanLiterals::Masked));
    }
    const std::string deep(100'000, '[');
    CHECK_FALSE(read_plan(deep, PlanLiterals::Masked));
    CHECK(read_plan(R"([{"Plan": {"Filter": "[[[[\"[{"}}])", PlanLiterals::Masked));
    // Every prefix of a plan is none.
    for (std::size_t size = 0; size + 1 < kPlan.size(); ++size) {
        CHECK_FALSE(read_plan(kPlan.substr(0, size), PlanLiterals::Masked));
    }
}

}  // namespace weir::sql
