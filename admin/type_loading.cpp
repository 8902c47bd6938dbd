#include "admin/type_loading.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>

namespace weir::admin {

namespace {

struct BaseType {
    std::string_view name;
    std::int64_t oid;
};

/// @source pg_type.dat of PostgreSQL 15
constexpr std::array kTypes{
    BaseType{"bool", 16},
    BaseType{"name", 19},
    BaseType{"int8", 20},
    BaseType{"int2", 21},
    BaseType{"int4", 23},
    BaseType{"text", 25},
    BaseType{"oid", 26},
    BaseType{"float4", 700},
    BaseType{"float8", 701},
    BaseType{"varchar", 1043},
    BaseType{"timestamptz", 1184},
    BaseType{"numeric", 1700},
};

using Words = std::vector<std::string>;

bool begins_with(const Words& words, std::initializer_list<std::string_view> expected) {
    return words.size() >= expected.size() &&
           std::equal(expected.begin(), expected.end(), words.begin());
}

bool mentions(const Words& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

Action answer(std::initializer_list<Column> columns) {
    Action action;
    action.columns = columns;
    action.tag = "SELECT";
    return action;
}

}  // namespace

/// @source PostgresDatabaseInfo.cs of Npgsql 6 to 8
std::optional<Action> answer_type_loading(const Statement& statement) {
    using enum ColumnType;
    const Words& words = statement.words;
    if (!mentions(words, "pg_type")) {
        return std::nullopt;
    }
    if (begins_with(words, {"select", "ns", ".", "nspname", ",", "t", ".", "oid"}) ||
        begins_with(words, {"select", "ns", ".", "nspname", ",", "typ_and_elem_type", "."})) {
        Action action = answer({{"nspname", Text},
                                {"oid", Int8},
                                {"typname", Text},
                                {"typtype", Text},
                                {"typnotnull", Text},
                                {"elemtypoid", Int8}});
        for (const BaseType& type : kTypes) {
            action.rows.push_back({std::string{"pg_catalog"},
                                   type.oid,
                                   std::string{type.name},
                                   std::string{"b"},
                                   std::string{"f"},
                                   std::int64_t{0}});
        }
        return action;
    }
    if (mentions(words, "pg_attribute") && mentions(words, "attname")) {
        return answer({{"oid", Int8}, {"attname", Text}, {"atttypid", Int8}});
    }
    if (mentions(words, "pg_enum") && mentions(words, "enumlabel")) {
        return answer({{"oid", Int8}, {"enumlabel", Text}});
    }
    return std::nullopt;
}

}  // namespace weir::admin
