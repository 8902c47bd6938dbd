#pragma once

#include <cstddef>
#include <set>

#include "sql/parse_tree.hpp"
#include "sql/statement_facts.hpp"

namespace weir::sql {

/// What was found in statements that are neither queries nor EXPLAIN nor COPY.
struct UtilityFindings {
    /// All of them may run where nothing may be written, and leave it so.
    bool is_harmless = true;
    bool is_understood = true;
    std::set<QualifiedName> functions;  ///< that the queries in them call
    std::set<QualifiedName> tables;
};

/// Walks the trees of SET, DECLARE, PREPARE, LOCK, DROP and all the others.
class UtilityReader {
public:
    /// @param statement not TransactionStmt
    void read(const Node& statement);

    [[nodiscard]] const UtilityFindings& findings() const { return findings_; }

private:
    void collect(const Json& value);
    void collect_query(const Node& query);
    void note_dropped(const Json& fields);
    void note(std::string_view schema, std::string_view name);

    UtilityFindings findings_;
    std::size_t depth_ = 0;
};

/// @return whether it takes away all that was set in its session
[[nodiscard]] bool resets_all_settings(const Node& statement);

/// @return whether a name is one of the settings that say whether a transaction may write; names of
/// settings have no case, even in quotes
[[nodiscard]] bool is_read_only_setting(std::string_view name);

}  // namespace weir::sql
