#include "sql/tree_reader.hpp"

#include <algorithm>
#include <array>

#include "sql/function_lists.hpp"

namespace weir::sql {

namespace {

/// What SELECT and DML are made of. Anything else is not understood, so that what a later grammar
/// brings is not taken for harmless.
constexpr std::array<std::string_view, 58> kKinds = {
    "A_ArrayExpr",      "A_Const",        "A_Expr",          "A_Indices",      "A_Indirection",
    "A_Star",           "Alias",          "BitString",       "BoolExpr",       "Boolean",
    "BooleanTest",      "CTECycleClause", "CTESearchClause", "CaseExpr",       "CaseWhen",
    "CoalesceExpr",     "CollateClause",  "ColumnDef",       "ColumnRef",      "CommonTableExpr",
    "CurrentOfExpr",    "DeleteStmt",     "Float",           "FuncCall",       "GroupingFunc",
    "GroupingSet",      "IndexElem",      "InferClause",     "InsertStmt",     "Integer",
    "JoinExpr",         "List",           "LockingClause",   "MergeStmt",      "MergeWhenClause",
    "MinMaxExpr",       "MultiAssignRef", "NamedArgExpr",    "NullTest",       "OnConflictClause",
    "ParamRef",         "RangeFunction",  "RangeSubselect",  "RangeTableFunc", "RangeTableFuncCol",
    "RangeTableSample", "RangeVar",       "ResTarget",       "RowExpr",        "SQLValueFunction",
    "SelectStmt",       "SetToDefault",   "SortBy",          "String",         "SubLink",
    "TypeCast",         "TypeName",       "UpdateStmt",
};

constexpr std::array<std::string_view, 4> kMoreKinds = {
    "WindowDef", "WithClause", "XmlExpr", "XmlSerialize"};

constexpr std::array<std::string_view, 4> kWrites = {
    "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"};

/// A sequence read as a table: a standby is up to 32 numbers ahead.
constexpr std::array<std::string_view, 3> kSequenceColumns = {"last_value", "log_cnt", "is_called"};

template <std::size_t n>
bool is_in(const std::array<std::string_view, n>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

void TreeReader::read(const Json& value) {
    if (depth_ >= StatementFacts::kDepthMax) {
        findings_.is_understood = false;
        return;
    }
    ++depth_;
    if (value.is_array()) {
        for (const Json& element : value) {
            read(element);
        }
    } else if (const Node node = node_of(value); node.fields != nullptr) {
        read_node(node.kind, *node.fields);
    } else if (value.is_object()) {
        read_fields(value);
    }
    --depth_;
}

void TreeReader::read_node(std::string_view kind, const Json& fields) {
    if (!is_in(kKinds, kind) && !is_in(kMoreKinds, kind)) {
        findings_.is_understood = false;
        return;
    }
    findings_.writes = findings_.writes || is_in(kWrites, kind) || kind == "LockingClause";
    if (kind == "LockingClause") {
        return;  // OF names aliases
    }
    if (kind == "RangeVar") {
        note_relation(fields);
        return;
    }
    note_special(kind, fields);
    note_dml(kind, fields);
    result_.note(kind, fields);
    read_fields(fields);
}

void TreeReader::note_special(std::string_view kind, const Json& fields) {
    if (kind == "FuncCall") {
        note_function(field(fields, "funcname"),
                      text_field(fields, "funcformat") == "COERCE_SQL_SYNTAX");
    } else if (kind == "RangeTableSample") {
        note_function(field(fields, "method"), /*is_special_form=*/false);
    } else if (kind == "ColumnRef") {
        note_column(field(fields, "fields"));
    }
}

void TreeReader::note_dml(std::string_view kind, const Json& fields) {
    Verbs verbs;
    if (kind == "InsertStmt") {
        verbs |= Verbs::Insert;
        if (text_field(field(fields, "onConflictClause"), "action") == "ONCONFLICT_UPDATE") {
            verbs |= Verbs::Update;
        }
    } else if (kind == "UpdateStmt") {
        verbs |= Verbs::Update;
    } else if (kind == "DeleteStmt") {
        verbs |= Verbs::Delete;
    } else if (kind == "MergeStmt") {
        verbs |= Verbs::Insert;
        verbs |= Verbs::Update;
        verbs |= Verbs::Delete;
    }
    if (!verbs.empty()) {
        note_target(field(fields, "relation"), verbs);
    }
}

/// A target is never a query of a WITH.
void TreeReader::note_target(const Json& relation, Verbs verbs) {
    findings_.targets[{std::string{text_field(relation, "schemaname")},
                       std::string{text_field(relation, "relname")}}] |= verbs;
}

ResultFacts TreeReader::result() const {
    std::set<std::string> names;
    for (const QualifiedName& function : findings_.functions) {
        names.insert(function.name);
    }
    return result_.conclude(names);
}

bool is_temporary(const Json& relation) {
    return text_field(relation, "relpersistence") == "t" ||
           is_temporary_schema(text_field(relation, "schemaname"));
}

/// The fields of a node whose kind its place tells as well: the arms of a UNION, a target relation.
void TreeReader::read_fields(const Json& fields) {
    if (!fields.is_object()) {
        return;
    }
    const std::size_t outside = with_names_.size();
    if (const Json& with = field(fields, "withClause"); with.is_object()) {
        read_with(with);
    }
    for (const auto& [name, value] : fields.items()) {
        if (name == "intoClause") {
            findings_.writes = true;
            const bool is_own = is_temporary(field(value, "rel"));
            findings_.makes_table = findings_.makes_table || !is_own;
            findings_.makes_temporary = findings_.makes_temporary || is_own;
        }
        if (name == "relation" && value.contains("relname")) {
            note_relation(value);
        } else if (name == "typeName" || name == "returnType") {
            const Json& names = field(value, "names");
            const bool has_schema = names.is_array() && names.size() > 1;
            findings_.asks_about_server =
                findings_.asks_about_server ||
                (has_schema && is_temporary_schema(string_of(names[names.size() - 2])));
        }
        if (name != "withClause" && value.is_structured()) {
            read(value);
        }
    }
    with_names_.resize(outside);
}

/// Each query of a WITH sees those before it, of a WITH RECURSIVE all of them; so does what
/// follows.
void TreeReader::read_with(const Json& with) {
    const Json& queries = field(with, "ctes");
    const auto name_of_query = [](const Json& query) {
        const Node node = node_of(query);
        return node.fields == nullptr ? std::string{}
                                      : std::string{text_field(*node.fields, "ctename")};
    };
    const bool is_recursive = is_set(with, "recursive");
    if (is_recursive) {
        for (const Json& query : queries) {
            with_names_.push_back(name_of_query(query));
        }
    }
    for (const Json& query : queries) {
        read(query);
        if (!is_recursive) {
            with_names_.push_back(name_of_query(query));
        }
    }
}

bool TreeReader::is_in_with(std::string_view name) const {
    return std::find(with_names_.begin(), with_names_.end(), name) != with_names_.end();
}

void TreeReader::note_relation(const Json& relation) {
    const std::string_view schema = text_field(relation, "schemaname");
    const std::string_view name = text_field(relation, "relname");
    result_.note_alias(field(relation, "alias"));
    if (name.empty()) {
        findings_.is_understood = false;
        return;
    }
    if (schema.empty() && is_in_with(name)) {
        return;
    }
    findings_.asks_about_server = findings_.asks_about_server || is_about_server(schema, name);
    findings_.tables.insert({std::string{schema}, std::string{name}});
    findings_.is_understood =
        findings_.is_understood && findings_.tables.size() <= StatementFacts::kNamesMax;
}

void TreeReader::note_function(const Json& names, bool is_special_form) {
    if (!names.is_array() || names.empty() || string_of(names.back()).empty()) {
        findings_.is_understood = false;
        return;
    }
    const std::string_view schema =
        names.size() > 1 ? string_of(names[names.size() - 2]) : std::string_view{};
    if (is_special_form && schema == "pg_catalog") {
        return;  // EXTRACT, TRIM, AT TIME ZONE: the grammar's own names, all of them stable
    }
    findings_.functions.insert({std::string{schema}, std::string{string_of(names.back())}});
    findings_.is_understood =
        findings_.is_understood && findings_.functions.size() <= StatementFacts::kNamesMax;
}

void TreeReader::note_column(const Json& names) {
    if (names.is_array() && !names.empty()) {
        findings_.asks_about_server =
            findings_.asks_about_server || is_in(kSequenceColumns, string_of(names.back()));
    }
}

}  // namespace weir::sql
