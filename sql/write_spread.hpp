#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sql/relation_catalog.hpp"
#include "sql/relation_graph.hpp"

namespace weir::sql {

/// Follows what a write brings about, through a RelationGraph, until nothing new is found or it may
/// be anything.
class WriteSpread {
public:
    explicit WriteSpread(const RelationGraph& graph) : graph_{graph} {}

    void write(std::uint32_t relation, Verbs verbs);

    /// A read writes where a view calls what writes.
    void read(std::uint32_t relation);

    void call(std::uint32_t function);

    void write_everything() { is_everything_ = true; }

    [[nodiscard]] WriteSet conclude();

private:
    void spread(std::uint32_t oid, Verbs fresh);
    void spread_read(std::uint32_t oid);
    void spread_call(std::uint32_t oid);
    void spread_to_children(const Relation& relation, Verbs fresh);
    void spread_to_referrers(const Relation& relation, Verbs fresh);
    void call_all(const Relation& relation, bool is_write);
    void settle();

    const RelationGraph& graph_;
    std::unordered_map<std::uint32_t, Verbs> written_;
    std::unordered_set<std::uint32_t> read_;
    std::unordered_set<std::uint32_t> called_;
    std::vector<std::pair<std::uint32_t, Verbs>> writes_to_do_;
    std::vector<std::uint32_t> reads_to_do_;
    std::vector<std::uint32_t> calls_to_do_;
    bool is_everything_ = false;
};

}  // namespace weir::sql
