#include "sql/statement_facts.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "sql/effect_reader.hpp"
#include "sql/parse_tree.hpp"
#include "sql/parser_text.hpp"
#include "sql/tree_reader.hpp"
#include "sql/utility_reader.hpp"

namespace weir::sql {

namespace {

/// Reads the statements of one request.
class RequestReader {
public:
    StatementFacts read(const Json& statements) {
        for (const Json& statement : statements) {
            const Node node = node_of(field(statement, "stmt"));
            const Access access = node.fields == nullptr ? Access::Unsure : access_of(node);
            is_harmless_ = is_harmless_ && is_harmless(node, access) && !facts_.resets_settings;
            facts_.resets_settings = facts_.resets_settings || resets_all_settings(node);
            take(access);
            effects_.read(node);
            facts_.result.is_query = statements.size() == 1 && node.kind == "SelectStmt";
        }
        facts_.access = conclude(statements.size());
        facts_.has_several = statements.size() > 1;
        if (!reader_.findings().is_understood) {
            return {};
        }
        const TreeFindings& found = reader_.findings();
        facts_.asks_about_server = facts_.asks_about_server || found.asks_about_server;
        const bool is_query = facts_.result.is_query;
        facts_.result = reader_.result();
        facts_.result.is_query = is_query;
        conclude_functions();
        conclude_rest();
        conclude_effects();
        return std::move(facts_);
    }

private:
    void conclude_functions() {
        std::set<QualifiedName> functions = reader_.findings().functions;
        const std::set<QualifiedName>& inside = effects_.findings().functions;
        functions.insert(inside.begin(), inside.end());
        if (functions.size() <= StatementFacts::kNamesMax) {
            facts_.functions.assign(functions.begin(), functions.end());
        } else {
            has_too_many_functions_ = true;
        }
    }

    void conclude_effects() {
        const TreeFindings& found = reader_.findings();
        const TreeFindings& inside = effects_.findings();
        facts_.changes_anything = effects_.changes_anything() || !inside.is_understood ||
                                  found.makes_table || has_too_many_functions_;
        facts_.makes_temporary = effects_.makes_temporary() || found.makes_temporary;
        std::map<QualifiedName, Verbs> targets = found.targets;
        for (const auto& [name, verbs] : inside.targets) {
            targets[name] |= verbs;
        }
        for (const auto& [name, verbs] : targets) {
            facts_.targets.push_back({name, verbs});
        }
    }

    /// What hangs on all the statements together.
    void conclude_rest() {
        const UtilityFindings& others = utilities_.findings();
        std::set<QualifiedName> tables = reader_.findings().tables;
        tables.insert(others.tables.begin(), others.tables.end());
        facts_.is_understood = others.is_understood && tables.size() <= StatementFacts::kNamesMax;
        if (facts_.is_understood) {
            facts_.tables.assign(tables.begin(), tables.end());
        }
        const auto has_set_config = [](const std::set<QualifiedName>& functions) {
            return std::any_of(functions.begin(), functions.end(), [](const QualifiedName& one) {
                return one.name == "set_config";
            });
        };
        facts_.calls_set_config =
            has_set_config(reader_.findings().functions) || has_set_config(others.functions);
        facts_.is_harmless = is_harmless_ && others.is_harmless && facts_.is_understood &&
                             facts_.modes.writes != TransactionModes::Writes::ReadWrite;
    }

    /// What PREPARE TRANSACTION and COMMIT PREPARED end has written.
    static bool is_harmless(const Node& node, Access access) {
        if (node.fields == nullptr) {
            return false;
        }
        if (node.kind == "TransactionStmt") {
            return access != Access::Write;
        }
        return access == Access::Read || access == Access::Neutral || is_utility(node.kind);
    }

    /// @return whether UtilityReader judges it
    static bool is_utility(std::string_view kind) {
        static constexpr std::array<std::string_view, 9> kJudgedHere = {"SelectStmt",
                                                                        "InsertStmt",
                                                                        "UpdateStmt",
                                                                        "DeleteStmt",
                                                                        "MergeStmt",
                                                                        "TransactionStmt",
                                                                        "VariableShowStmt",
                                                                        "ExplainStmt",
                                                                        "CopyStmt"};
        return std::find(kJudgedHere.begin(), kJudgedHere.end(), kind) == kJudgedHere.end();
    }

    /// Of one statement.
    Access access_of(const Node& node) {
        static constexpr std::array<std::string_view, 5> kQueries = {
            "SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"};
        if (std::find(kQueries.begin(), kQueries.end(), node.kind) != kQueries.end()) {
            return access_of_query(node);
        }
        if (node.kind == "TransactionStmt") {
            return access_of_transaction(*node.fields);
        }
        if (node.kind == "VariableShowStmt") {
            facts_.asks_about_server = true;
            return Access::Neutral;
        }
        if (node.kind == "ExplainStmt") {
            return access_of_explain(*node.fields);
        }
        if (node.kind == "CopyStmt") {
            return access_of_copy(*node.fields);
        }
        utilities_.read(node);
        return Access::Write;
    }

    /// What one of them writes, another one before it may have: a reader of its own tells.
    Access access_of_query(const Node& node) {
        TreeReader alone;
        alone.read_node(node.kind, *node.fields);
        reader_.read_node(node.kind, *node.fields);
        return alone.findings().writes ? Access::Write : Access::Read;
    }

    Access access_of_transaction(const Json& fields) {
        const std::string_view kind = text_field(fields, "kind");
        if (kind == "TRANS_STMT_BEGIN" || kind == "TRANS_STMT_START") {
            read_modes(field(fields, "options"));
            return Access::Begin;
        }
        if (kind == "TRANS_STMT_COMMIT" || kind == "TRANS_STMT_ROLLBACK") {
            facts_.is_chained = facts_.is_chained || is_set(fields, "chain");
            return Access::End;
        }
        const bool is_savepoint = kind == "TRANS_STMT_SAVEPOINT" || kind == "TRANS_STMT_RELEASE" ||
                                  kind == "TRANS_STMT_ROLLBACK_TO";
        return is_savepoint ? Access::Neutral : Access::Write;
    }

    /// Their values are the grammar's words, no literals.
    void read_modes(const Json& options) {
        using Writes = TransactionModes::Writes;
        using Isolation = TransactionModes::Isolation;
        for (const Json& option : options) {
            const Node node = node_of(option);
            if (node.fields == nullptr) {
                continue;
            }
            const std::string_view name = text_field(*node.fields, "defname");
            const Node value = node_of(field(*node.fields, "arg"));
            if (value.fields == nullptr) {
                continue;
            }
            if (name == "transaction_read_only") {
                const bool is_on = field(field(*value.fields, "ival"), "ival") == 1;
                const bool was_off = facts_.modes.writes == Writes::ReadWrite;
                facts_.modes.writes = is_on && !was_off ? Writes::ReadOnly : Writes::ReadWrite;
            } else if (name == "transaction_isolation") {
                const std::string_view level = text_field(field(*value.fields, "sval"), "sval");
                const bool is_committed = level == "read committed" || level == "read uncommitted";
                const bool was_snapshot = facts_.modes.isolation == Isolation::Snapshot;
                facts_.modes.isolation =
                    is_committed && !was_snapshot ? Isolation::Committed : Isolation::Snapshot;
                facts_.modes.is_serializable =
                    facts_.modes.is_serializable || level == "serializable";
            }
        }
    }

    /// Without ANALYZE nothing runs, whatever is explained. Any ANALYZE counts: whether it is
    /// turned off a literal says.
    Access access_of_explain(const Json& fields) {
        bool runs = false;
        for (const Json& option : field(fields, "options")) {
            const Node node = node_of(option);
            runs =
                runs || node.fields == nullptr || text_field(*node.fields, "defname") == "analyze";
        }
        Node query = node_of(field(fields, "query"));
        bool creates = false;
        if (query.kind == "CreateTableAsStmt" || query.kind == "DeclareCursorStmt") {
            query = node_of(field(*query.fields, "query"));
            creates = true;
        }
        if (query.fields == nullptr || query.kind == "ExecuteStmt") {
            return Access::Write;  // what is executed its session knows
        }
        if (query.kind == "RefreshMatViewStmt") {
            reader_.note_relation(field(*query.fields, "relation"));
            return runs ? Access::Write : Access::Read;
        }
        const Access access = access_of_query(query);
        return runs && (creates || access != Access::Read) ? Access::Write : Access::Read;
    }

    Access access_of_copy(const Json& fields) {
        const bool is_to_client = !is_set(fields, "is_from") && !is_set(fields, "is_program") &&
                                  field(fields, "filename").is_null();
        const Json& relation = field(fields, "relation");
        if (relation.is_object()) {
            reader_.note_relation(relation);
            if (is_set(fields, "is_from")) {
                reader_.note_target(relation, Verbs::Insert);
            }
            return is_to_client ? Access::Read : Access::Write;
        }
        const Node query = node_of(field(fields, "query"));
        if (query.fields == nullptr) {
            return Access::Unsure;
        }
        const Access access = access_of_query(query);
        return is_to_client ? access : Access::Write;
    }

    void take(Access access) {
        switch (access) {
            case Access::Unsure: is_unsure_ = true; return;
            case Access::Write: has_write_ = true; return;
            case Access::Read: has_read_ = true; return;
            case Access::Neutral: return;
            case Access::Begin:
                is_unsure_pairing_ = is_unsure_pairing_ || is_open_;
                has_begin_ = true;
                is_open_ = true;
                return;
            case Access::End:
                is_unsure_pairing_ = is_unsure_pairing_ || !is_open_;
                has_end_ = true;
                is_open_ = false;
                return;
        }
    }

    [[nodiscard]] Access conclude(std::size_t statements) const {
        if (is_unsure_) {
            return Access::Unsure;
        }
        if (has_write_) {
            return Access::Write;
        }
        if (statements == 1 && (has_begin_ || has_end_)) {
            return has_begin_ ? Access::Begin : Access::End;
        }
        if (!has_begin_ && !has_end_) {
            return has_read_ ? Access::Read : Access::Neutral;
        }
        const bool is_whole = has_read_ && !is_open_ && !is_unsure_pairing_ && !facts_.is_chained;
        const bool fits_replica = facts_.modes.writes != TransactionModes::Writes::ReadWrite &&
                                  !facts_.modes.is_serializable;
        return is_whole && fits_replica ? Access::Read : Access::Unsure;
    }

    StatementFacts facts_;
    TreeReader reader_;
    UtilityReader utilities_;  // of what the other does not know
    EffectReader effects_;
    bool has_too_many_functions_ = false;
    bool is_harmless_ = true;
    bool is_unsure_ = false;
    bool has_write_ = false;
    bool has_read_ = false;
    bool has_begin_ = false;
    bool has_end_ = false;
    bool is_open_ = false;            // a transaction that the request began
    bool is_unsure_pairing_ = false;  // an end without a beginning, or two beginnings
};

}  // namespace

std::string_view name_of(Access access) {
    switch (access) {
        case Access::Neutral: return "neutral";
        case Access::Read: return "read";
        case Access::Write: return "write";
        case Access::Begin: return "begin";
        case Access::End: return "end";
        case Access::Unsure: return "unsure";
    }
    return "?";
}

StatementFacts statement_facts(std::string_view sql) {
    const std::optional<std::string> text = parser_text(sql);
    if (!text) {
        return {};
    }
    const Json tree = parse_tree(*text);
    const Json& statements = field(tree, "stmts");
    const bool is_empty = tree.is_object() && statements.is_null();
    if (!is_empty &&
        (!statements.is_array() || statements.size() > StatementFacts::kStatementsMax)) {
        return {};
    }
    return RequestReader{}.read(statements);
}

}  // namespace weir::sql
