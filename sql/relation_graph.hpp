#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sql/function_catalog.hpp"
#include "sql/relation_rows.hpp"
#include "sql/statement_facts.hpp"

namespace weir::sql {

/// What a relation's reads or writes call.
struct RelationCall {
    std::uint32_t function = 0;
    bool is_read = false;  ///< a read calls it, not only a write
    Volatility volatility = Volatility::Volatile;
    std::string built_in;  ///< its name where it is PostgreSQL's own
};

/// One relation as the catalog has it. The rows of one kind lie in the lists of RelationGraph.
struct Relation {
    std::string schema;
    char kind = 'r';    ///< pg_class.relkind
    std::string flags;  ///< see relations_query()
    std::vector<std::uint32_t> children;
    std::vector<std::uint32_t> reads;  ///< a view's
    std::vector<std::uint32_t> rules;  ///< what its other rules name
    std::vector<RelationCall> calls;
    /// Who refers to it: what it does on a delete and on an update, as pg_constraint says.
    std::vector<std::pair<std::uint32_t, std::string>> cascades;
    std::vector<std::pair<std::uint32_t, Verbs>> triggers;  ///< function, and what fires it

    [[nodiscard]] bool has(char flag) const { return flags.find(flag) != std::string::npos; }
};

/// A function that is not PostgreSQL's own.
struct GraphFunction {
    std::string schema;
    bool is_opaque = false;  ///< it may write anything
    bool writes = false;     ///< it may write the relations
    std::vector<std::uint32_t> relations;
    std::vector<std::uint32_t> functions;
};

/// What the rows of relations_query() make together: who reads, writes and calls whom.
struct RelationGraph {
    using ByName = std::map<std::string, std::vector<std::uint32_t>, std::less<>>;

    explicit RelationGraph(const RelationRows& rows);

    [[nodiscard]] const Relation* relation(std::uint32_t oid) const;
    [[nodiscard]] const GraphFunction* function(std::uint32_t oid) const;

    /// @return the relations a name as written may mean: of any schema where it names none
    [[nodiscard]] std::vector<std::uint32_t> relations_of(const QualifiedName& name) const;
    [[nodiscard]] std::vector<std::uint32_t> functions_of(const QualifiedName& name) const;

    std::unordered_map<std::uint32_t, Relation> relations;
    std::unordered_map<std::uint32_t, GraphFunction> functions;
    ByName relation_names;
    ByName function_names;

private:
    void add_relations(const RelationRows& rows);
    void add_edges(const RelationRows& rows);
    void add_functions(const RelationRows& rows);
};

/// Objects below this number are PostgreSQL's own.
inline constexpr std::uint32_t kFirstOwnOid = 16384;

}  // namespace weir::sql
