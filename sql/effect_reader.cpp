#include "sql/effect_reader.hpp"

#include <algorithm>
#include <array>

namespace weir::sql {

namespace {

template <std::size_t n>
bool is_in(const std::array<std::string_view, n>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr std::array<std::string_view, 6> kQueries = {
    "SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "CopyStmt"};

/// No table shows anything else behind them. What a prepared statement does its EXECUTE does, what
/// a cursor does its DECLARE has told.
constexpr std::array<std::string_view, 15> kChangesNothing = {"CheckPointStmt",
                                                              "ClosePortalStmt",
                                                              "ConstraintsSetStmt",
                                                              "DeallocateStmt",
                                                              "DiscardStmt",
                                                              "FetchStmt",
                                                              "ListenStmt",
                                                              "LoadStmt",
                                                              "LockStmt",
                                                              "NotifyStmt",
                                                              "PrepareStmt",
                                                              "UnlistenStmt",
                                                              "VacuumStmt",
                                                              "VariableSetStmt",
                                                              "VariableShowStmt"};

}  // namespace

void EffectReader::read(const Node& statement) {
    if (statement.fields == nullptr) {
        changes_anything_ = true;
        return;
    }
    const std::string_view kind = statement.kind;
    const Json& fields = *statement.fields;
    if (is_in(kQueries, kind) || is_in(kChangesNothing, kind)) {
        return;
    }
    if (kind == "TransactionStmt") {
        changes_anything_ =
            changes_anything_ || text_field(fields, "kind") == "TRANS_STMT_COMMIT_PREPARED";
    } else if (kind == "ExplainStmt") {
        read(node_of(field(fields, "query")));
    } else if (kind == "DeclareCursorStmt") {
        inside_.read(field(fields, "query"));
    } else if (kind == "CallStmt") {
        inside_.read_node("FuncCall", field(fields, "funccall"));
    } else if (kind == "TruncateStmt") {
        read_truncate(fields);
    } else if (kind == "RefreshMatViewStmt") {
        read_refresh(fields);
    } else {
        read_creation(statement);
    }
}

/// A new table may come before another in the search_path, so that a name means it from now on;
/// but for a temporary one, which means nothing to other sessions. One that inherits is part of
/// what it inherits from.
void EffectReader::read_creation(const Node& statement) {
    const Json& fields = *statement.fields;
    if (statement.kind == "CreateTableAsStmt") {
        read_create_as(fields);
    } else if (statement.kind == "CreateStmt") {
        make(is_temporary(field(fields, "relation")) && field(fields, "inhRelations").is_null());
    } else if (statement.kind == "ViewStmt") {
        make(is_temporary(field(fields, "view")));
    } else if (statement.kind == "CreateSeqStmt") {
        make(is_temporary(field(fields, "sequence")));
    } else {
        changes_anything_ = true;
    }
}

void EffectReader::make(bool is_temporary) {
    makes_temporary_ = makes_temporary_ || is_temporary;
    changes_anything_ = changes_anything_ || !is_temporary;
}

void EffectReader::read_create_as(const Json& fields) {
    make(is_temporary(field(field(fields, "into"), "rel")));
    const Json& query = field(fields, "query");
    if (node_of(query).kind == "SelectStmt") {
        inside_.read(query);
    } else {
        changes_anything_ = true;  // EXECUTE
    }
}

void EffectReader::read_truncate(const Json& fields) {
    for (const Json& table : field(fields, "relations")) {
        const Node node = node_of(table);
        if (node.kind == "RangeVar") {
            inside_.note_target(*node.fields, Verbs::Truncate);
        } else {
            changes_anything_ = true;
        }
    }
}

void EffectReader::read_refresh(const Json& fields) {
    inside_.note_target(field(fields, "relation"), Verbs::all());
}

}  // namespace weir::sql
