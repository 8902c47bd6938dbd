#include "sql/utility_reader.hpp"

#include <algorithm>
#include <array>

#include "sql/lexer.hpp"
#include "sql/tree_reader.hpp"

namespace weir::sql {

namespace {

template <std::size_t n>
bool is_in(const std::array<std::string_view, n>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_query(std::string_view kind) {
    static constexpr std::array<std::string_view, 5> kQueries = {
        "SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"};
    return is_in(kQueries, kind);
}

/// @return whether a query writes nothing by its grammar
bool is_plain_read(const Node& query) {
    if (!is_query(query.kind)) {
        return false;
    }
    TreeReader reader;
    reader.read_node(query.kind, *query.fields);
    return reader.findings().is_understood && !reader.findings().writes;
}

/// @return whether it is the word for a setting that is on; of a literal the parser is not told
bool is_on(const Json& arguments) {
    if (!arguments.is_array() || arguments.size() != 1) {
        return false;
    }
    const Node value = node_of(arguments.front());
    if (value.kind != "A_Const") {
        return false;
    }
    const std::string_view word = text_field(field(*value.fields, "sval"), "sval");
    return word == "on" || word == "true";
}

/// @return whether none of SET TRANSACTION's modes lets it write
bool leaves_read_only(const Json& modes) {
    return std::all_of(modes.begin(), modes.end(), [](const Json& mode) {
        const Node option = node_of(mode);
        if (option.fields == nullptr) {
            return false;
        }
        const Node value = node_of(field(*option.fields, "arg"));
        return text_field(*option.fields, "defname") != "transaction_read_only" ||
               (value.fields != nullptr && field(field(*value.fields, "ival"), "ival") == 1);
    });
}

/// SET and RESET. What RESET ALL leads to is for who reads all of the request; see
/// StatementFacts::resets_settings.
bool is_harmless_set(const Json& fields) {
    const std::string_view kind = text_field(fields, "kind");
    if (kind == "VAR_SET_MULTI") {
        return leaves_read_only(field(fields, "args"));
    }
    if (kind == "VAR_RESET_ALL" || !is_read_only_setting(text_field(fields, "name"))) {
        return true;
    }
    return kind == "VAR_SET_VALUE" && is_on(field(fields, "args"));
}

/// EXECUTE is none: what it runs another text has said.
bool is_harmless(const Node& statement) {
    static constexpr std::array<std::string_view, 7> kHarmless = {"ClosePortalStmt",
                                                                  "ConstraintsSetStmt",
                                                                  "DeallocateStmt",
                                                                  "DiscardStmt",
                                                                  "FetchStmt",
                                                                  "ListenStmt",
                                                                  "UnlistenStmt"};
    if (statement.kind == "VariableSetStmt") {
        return is_harmless_set(*statement.fields);
    }
    if (statement.kind == "DeclareCursorStmt" || statement.kind == "PrepareStmt") {
        return is_plain_read(node_of(field(*statement.fields, "query")));
    }
    if (statement.kind == "LockStmt") {
        constexpr int kAccessShare = 1;  // what every SELECT takes; pg_dump asks for it
        return field(*statement.fields, "mode") == kAccessShare;
    }
    return is_in(kHarmless, statement.kind);
}

}  // namespace

bool resets_all_settings(const Node& statement) {
    if (statement.fields == nullptr) {
        return false;
    }
    return (statement.kind == "VariableSetStmt" &&
            text_field(*statement.fields, "kind") == "VAR_RESET_ALL") ||
           (statement.kind == "DiscardStmt" &&
            text_field(*statement.fields, "target") == "DISCARD_ALL");
}

bool is_read_only_setting(std::string_view name) {
    std::string lowered{name};
    std::transform(lowered.begin(), lowered.end(), lowered.begin(), lower);
    return lowered == "transaction_read_only" || lowered == "default_transaction_read_only";
}

void UtilityReader::read(const Node& statement) {
    findings_.is_harmless = findings_.is_harmless && is_harmless(statement);
    collect(*statement.fields);
    if (statement.kind == "DropStmt") {
        note_dropped(*statement.fields);
    }
}

/// Notes every relation in it, and what its queries are made of.
void UtilityReader::collect(const Json& value) {
    if (depth_ >= StatementFacts::kDepthMax) {
        findings_.is_understood = false;
        return;
    }
    ++depth_;
    if (const Node node = node_of(value); is_query(node.kind)) {
        collect_query(node);
    } else if (value.is_structured()) {
        if (const std::string_view name = text_field(value, "relname"); !name.empty()) {
            note(text_field(value, "schemaname"), name);
        }
        for (const Json& part : value) {
            if (part.is_structured()) {
                collect(part);
            }
        }
    }
    --depth_;
}

void UtilityReader::collect_query(const Node& query) {
    TreeReader reader;
    reader.read_node(query.kind, *query.fields);
    const TreeFindings& found = reader.findings();
    findings_.is_understood = findings_.is_understood && found.is_understood;
    findings_.functions.insert(found.functions.begin(), found.functions.end());
    findings_.tables.insert(found.tables.begin(), found.tables.end());
}

/// DROP names what it drops by lists of words; a trigger, a rule and a policy stand behind their
/// table.
void UtilityReader::note_dropped(const Json& fields) {
    static constexpr std::array<std::string_view, 3> kOfTables = {
        "OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"};
    const std::size_t behind = is_in(kOfTables, text_field(fields, "removeType")) ? 1 : 0;
    for (const Json& object : field(fields, "objects")) {
        const Node list = node_of(object);
        const Json& words = list.kind == "List" ? field(*list.fields, "items") : Json::array();
        if (!words.is_array() || words.size() <= behind) {
            continue;
        }
        const std::size_t last = words.size() - 1 - behind;
        note(last > 0 ? string_of(words[last - 1]) : std::string_view{}, string_of(words[last]));
    }
}

void UtilityReader::note(std::string_view schema, std::string_view name) {
    findings_.tables.insert({std::string{schema}, std::string{name}});
}

}  // namespace weir::sql
