#include "sql/result_noter.hpp"

#include <algorithm>
#include <array>

namespace weir::sql {

namespace {

template <std::size_t n>
bool is_in(const std::array<std::string_view, n>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr int kDepthMax = 32;

/// Types whose input hangs on nothing but the text and the session's settings. Any other may be a
/// time that reads 'now', or be made of one.
constexpr std::array<std::string_view, 36> kPlainTypes = {
    "bit",      "bool",     "box",    "bpchar",  "bytea",   "char",     "cidr",     "circle",
    "float4",   "float8",   "inet",   "int2",    "int4",    "int8",     "interval", "json",
    "jsonb",    "jsonpath", "line",   "lseg",    "macaddr", "macaddr8", "money",    "name",
    "numeric",  "oid",      "path",   "pg_lsn",  "point",   "polygon",  "text",     "tsquery",
    "tsvector", "uuid",     "varbit", "varchar",
};

/// A function of such a name and one argument is a cast.
constexpr std::array<std::string_view, 5> kTimeTypes = {
    "date", "time", "timestamp", "timestamptz", "timetz"};

/// What these answer is a time, if it can be cast to one at all.
constexpr std::array<std::string_view, 12> kTimeFunctions = {"date",
                                                             "date_bin",
                                                             "date_trunc",
                                                             "make_date",
                                                             "make_timestamp",
                                                             "make_timestamptz",
                                                             "now",
                                                             "timestamp",
                                                             "timestamptz",
                                                             "timezone",
                                                             "to_date",
                                                             "to_timestamp"};

/// What these answer is of the type of what they are given.
constexpr std::array<std::string_view, 4> kSameType = {"first_value", "last_value", "max", "min"};

constexpr std::array<std::string_view, 5> kRowPlaces = {"cmax", "cmin", "ctid", "xmax", "xmin"};

/// Columns get such names where nobody gives them one.
constexpr std::array<std::string_view, 10> kGivenNames = {"array",
                                                          "bool",
                                                          "case",
                                                          "coalesce",
                                                          "exists",
                                                          "greatest",
                                                          "least",
                                                          "nullif",
                                                          "row",
                                                          "?column?"};

constexpr std::array<std::string_view, 18> kCommonOperators = {"=",
                                                               "<>",
                                                               "!=",
                                                               "<",
                                                               ">",
                                                               "<=",
                                                               ">=",
                                                               "+",
                                                               "-",
                                                               "*",
                                                               "/",
                                                               "||",
                                                               "~~",
                                                               "!~~",
                                                               "~~*",
                                                               "!~~*",
                                                               "->",
                                                               "->>"};

/// @return the last of a list of names, if it is one of PostgreSQL's own; "" otherwise
std::string_view built_in_name(const Json& names) {
    if (!names.is_array() || names.empty() || names.size() > 2 ||
        (names.size() == 2 && string_of(names.front()) != "pg_catalog")) {
        return {};
    }
    return string_of(names.back());
}

bool is_constant(const Json& expression) {
    const Node node = node_of(expression);
    return node.kind == "A_Const" || node.kind == "ParamRef";
}

}  // namespace

bool is_common_operator(std::string_view name) {
    return is_in(kCommonOperators, name);
}

std::uint32_t hash_of_member(std::string_view name) {
    constexpr std::uint32_t kBasis = 2166136261U;  // FNV-1a
    constexpr std::uint32_t kPrime = 16777619U;
    std::uint32_t hash = kBasis;
    for (const char c : name) {
        if (static_cast<unsigned char>(c) >= 0x80) {
            return kBasis;
        }
        hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
    }
    return hash;
}

void ResultNoter::note(std::string_view kind, const Json& fields) {
    note_alias(field(fields, "alias"));
    if (kind == "TypeCast") {
        note_cast(field(fields, "typeName"), field(fields, "arg"));
    } else if (kind == "FuncCall") {
        note_call(fields);
    } else if (kind == "ColumnRef") {
        const Json& names = field(fields, "fields");
        note_names(names, 1);
        found_.has_row_place = found_.has_row_place || (names.is_array() && !names.empty() &&
                                                        is_in(kRowPlaces, string_of(names.back())));
    } else if (kind == "A_Indirection") {
        note_names(field(fields, "indirection"), 0);
    } else if (kind == "A_Expr") {
        note_operator(field(fields, "name"));
    } else if (kind == "SubLink") {
        note_operator(field(fields, "operName"));
    } else if (kind == "SortBy") {
        note_operator(field(fields, "useOp"));
    } else if (kind == "SQLValueFunction") {
        const std::string_view op = text_field(fields, "op");
        found_.asks_time = found_.asks_time || op.empty() || op.find("TIME") != op.npos ||
                           op.find("DATE") != op.npos;
    } else if (kind == "RangeTableSample") {
        found_.samples = true;
    } else if (kind == "RangeFunction" || kind == "RangeTableFunc" || kind == "CTECycleClause") {
        has_made_columns_ = true;
    } else if (kind == "ResTarget") {
        aliases_.emplace(text_field(fields, "name"));
    } else if (kind == "CommonTableExpr") {
        for (const Json& name : field(fields, "aliascolnames")) {
            aliases_.emplace(string_of(name));
        }
    }
}

void ResultNoter::note_alias(const Json& alias) {
    for (const Json& name : field(alias, "colnames")) {
        aliases_.emplace(string_of(name));
    }
}

/// Literals and parameters are looked at where the text is: see has_time_word().
void ResultNoter::note_cast(const Json& type, const Json& argument) {
    found_.has_cast = true;
    const std::string_view name = built_in_name(field(type, "names"));
    found_.asks_time = found_.asks_time || name == "timetz";
    found_.casts_to_time_of_day = found_.casts_to_time_of_day || name == "time";
    if (is_in(kPlainTypes, name)) {
        return;
    }
    const bool is_settled =
        !name.starts_with("reg") && (is_constant(argument) || is_settled_time(argument));
    found_.has_unsettled_cast = found_.has_unsettled_cast || !is_settled;
}

void ResultNoter::note_call(const Json& fields) {
    const Json& names = field(fields, "funcname");
    const std::string_view name =
        names.is_array() && !names.empty() ? string_of(names.back()) : std::string_view{};
    found_.changes_zone = found_.changes_zone || name == "timezone";
    const Json& arguments = field(fields, "args");
    if (!arguments.is_array() || arguments.size() != 1) {
        return;
    }
    const bool is_cast = is_in(kTimeTypes, name) || name.ends_with("range");
    found_.asks_time = found_.asks_time || name == "timetz";
    found_.casts_to_time_of_day = found_.casts_to_time_of_day || name == "time";
    if (is_cast && !is_constant(arguments.front()) && !is_settled_time(arguments.front())) {
        found_.has_unsettled_cast = true;
    }
}

/// @return whether an expression that is cast to a time is no text that a row says
bool ResultNoter::is_settled_time(const Json& expression) {
    const Node node = node_of(expression);
    if (node.fields == nullptr || depth_ >= kDepthMax) {
        return false;
    }
    const Json& fields = *node.fields;
    if (node.kind == "A_Const" || node.kind == "ParamRef" || node.kind == "SQLValueFunction") {
        return true;
    }
    if (node.kind == "ColumnRef") {
        const Json& names = field(fields, "fields");
        const std::string_view column =
            names.is_array() && !names.empty() ? string_of(names.back()) : std::string_view{};
        time_columns_.emplace(column);
        return !column.empty();
    }
    if (node.kind == "TypeCast") {
        return is_in(kTimeTypes, built_in_name(field(field(fields, "typeName"), "names"))) ||
               is_constant(field(fields, "arg"));
    }
    if (node.kind == "A_Expr") {
        const std::string_view name = built_in_name(field(fields, "name"));
        return text_field(fields, "kind") == "AEXPR_OP" && (name == "+" || name == "-");
    }
    if (node.kind == "FuncCall") {
        const std::string_view name = built_in_name(field(fields, "funcname"));
        return is_in(kTimeFunctions, name) ||
               (is_in(kSameType, name) && are_settled_times(field(fields, "args")));
    }
    return (node.kind == "CoalesceExpr" || node.kind == "MinMaxExpr") &&
           are_settled_times(field(fields, "args"));
}

bool ResultNoter::are_settled_times(const Json& expressions) {
    ++depth_;
    const bool are = expressions.is_array() &&
                     std::all_of(expressions.begin(), expressions.end(), [&](const Json& one) {
                         return is_settled_time(one);
                     });
    --depth_;
    return are;
}

/// @param first of them that may be a function's
void ResultNoter::note_names(const Json& names, std::size_t first) {
    if (!names.is_array()) {
        return;
    }
    for (std::size_t i = first; i < names.size(); ++i) {
        const std::string_view name = string_of(names[i]);
        if (!name.empty()) {
            members_.insert(hash_of_member(name));
        }
    }
}

void ResultNoter::note_operator(const Json& names) {
    if (names.is_array() && !names.empty()) {
        const std::string_view name = string_of(names.back());
        if (!is_common_operator(name)) {
            operators_.emplace(name);
        }
    }
}

ResultFacts ResultNoter::conclude(const std::set<std::string>& functions) const {
    ResultFacts facts = found_;
    const auto is_made = [&](const std::string& name) {
        return has_made_columns_ || aliases_.count(name) > 0 || functions.count(name) > 0 ||
               is_in(kGivenNames, name) || is_in(kPlainTypes, name) || name.starts_with("column");
    };
    facts.has_unsettled_cast = facts.has_unsettled_cast ||
                               std::any_of(time_columns_.begin(), time_columns_.end(), is_made);
    facts.has_too_many = operators_.size() > ResultFacts::kTimeColumnsMax ||
                         time_columns_.size() > ResultFacts::kTimeColumnsMax ||
                         members_.size() > ResultFacts::kMembersMax;
    if (!facts.has_too_many) {
        facts.operators.assign(operators_.begin(), operators_.end());
        facts.time_columns.assign(time_columns_.begin(), time_columns_.end());
        facts.members.assign(members_.begin(), members_.end());
    }
    return facts;
}

}  // namespace weir::sql
