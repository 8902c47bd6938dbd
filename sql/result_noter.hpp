#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "sql/parse_tree.hpp"
#include "sql/result_facts.hpp"

namespace weir::sql {

/// Notes what ResultFacts are made of, node by node. TreeReader walks the tree.
class ResultNoter {
public:
    void note(std::string_view kind, const Json& fields);

    /// Of a relation, a subquery or a join: the names it gives to columns.
    void note_alias(const Json& alias);

    /// @param functions names of those called: a column may have the name of the one it is from
    [[nodiscard]] ResultFacts conclude(const std::set<std::string>& functions) const;

private:
    void note_cast(const Json& type, const Json& argument);
    void note_call(const Json& fields);
    void note_names(const Json& names, std::size_t first);
    void note_operator(const Json& names);
    [[nodiscard]] bool is_settled_time(const Json& expression);
    [[nodiscard]] bool are_settled_times(const Json& expressions);

    ResultFacts found_;
    std::set<std::string> operators_;
    std::set<std::string> time_columns_;
    std::set<std::uint32_t> members_;
    std::set<std::string> aliases_;
    bool has_made_columns_ = false;  // by functions in FROM: their names are not in the text
    int depth_ = 0;
};

}  // namespace weir::sql
