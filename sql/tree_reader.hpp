#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sql/parse_tree.hpp"
#include "sql/result_noter.hpp"
#include "sql/statement_facts.hpp"

namespace weir::sql {

/// What was found in a statement's tree.
struct TreeFindings {
    bool is_understood = true;  ///< every node is of a kind that is known, and not too many of them
    bool writes = false;        ///< DML, INTO, a locking clause, wherever it hides
    bool asks_about_server = false;
    std::set<QualifiedName> functions;
    std::set<QualifiedName> tables;
    std::map<QualifiedName, Verbs> targets;
    bool makes_table = false;      ///< SELECT INTO
    bool makes_temporary = false;  ///< SELECT INTO TEMPORARY
};

/// Walks the trees of SELECT, DML and what contains them, and notes the names in them.
class TreeReader {
public:
    /// @param value a node, an array of them, or a node's fields
    void read(const Json& value);

    void read_node(std::string_view kind, const Json& fields);

    /// A relation, the fields of a RangeVar.
    void note_relation(const Json& relation);

    /// A relation that is written, the fields of a RangeVar.
    void note_target(const Json& relation, Verbs verbs);

    [[nodiscard]] const TreeFindings& findings() const { return findings_; }

    [[nodiscard]] ResultFacts result() const;

private:
    void read_fields(const Json& fields);
    void read_with(const Json& with);
    void note_function(const Json& names, bool is_special_form);
    void note_column(const Json& names);
    void note_special(std::string_view kind, const Json& fields);
    void note_dml(std::string_view kind, const Json& fields);
    [[nodiscard]] bool is_in_with(std::string_view name) const;

    TreeFindings findings_;
    ResultNoter result_;
    std::vector<std::string> with_names_;  // visible here, the innermost last
    std::size_t depth_ = 0;
};

/// @param relation the fields of a RangeVar
/// @return whether what is created by that name is the session's own
[[nodiscard]] bool is_temporary(const Json& relation);

}  // namespace weir::sql
