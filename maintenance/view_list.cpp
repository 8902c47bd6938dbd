#include "maintenance/view_list.hpp"

#include "maintenance/identifier.hpp"
#include "maintenance/view_facts.hpp"
#include "maintenance/view_sources.hpp"
#include "maintenance/view_state.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weir::maintenance {

namespace {

using Cells = std::vector<std::optional<std::string>>;

/// Sizes are not asked for where somebody holds or wants an ACCESS EXCLUSIVE lock: that would wait.
constexpr const char* kViews =
    "SELECT format('%I.%I', n.nspname, c.relname), greatest(c.reltuples, 0)::bigint, "
    "CASE WHEN NOT EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE l.locktype = 'relation' "
    "AND l.relation = c.oid AND l.mode = 'AccessExclusiveLock') "
    "THEN pg_total_relation_size(c.oid) END "
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'm' AND has_schema_privilege(n.oid, 'USAGE') ORDER BY 1";

/// @return what is known of changes since the last refresh, for a person
std::string changed_text(const std::optional<ViewState>& state, const ViewSources& sources) {
    if (!sources.unknown.empty()) {
        return "unknown: " + sources.unknown;
    }
    if (!state) {
        return "not refreshed by Weir";
    }
    if (state->signature == sources.signature) {
        return "no";
    }
    const std::int64_t rows = sources.changes - state->changes;
    return rows > 0 ? std::to_string(rows) + " rows" : "yes";
}

Answer<Cells> row_of(Connection& db, const Rows& views, std::size_t at) {
    const Answer<ViewFacts> facts = read_view(db, views.text(at, 0));
    if (!facts) {
        return failed(facts.error());
    }
    const Answer<ViewSources> sources = read_view_sources(db, facts->relation.oid);
    if (!sources) {
        return failed(sources.error());
    }
    const auto state = read_view_state(db, facts->relation.oid);
    if (!state) {
        return failed(state.error());
    }
    const std::string why_not = facts->why_not_concurrently();
    Cells cells{facts->relation.text(),
                facts->is_populated ? "yes" : "no",
                why_not.empty() ? "yes" : "no: " + why_not,
                views.maybe(at, 1),
                views.maybe(at, 2)};
    if (*state) {
        cells.emplace_back((*state)->refreshed_at);
        cells.emplace_back(std::to_string((*state)->duration_ms));
    } else {
        cells.resize(cells.size() + 2);
    }
    cells.emplace_back(changed_text(*state, *sources));
    return cells;
}

}  // namespace

Answer<Report> list_views(Connection& db) {
    const Answer<Rows> views = db.run(kViews);
    if (!views) {
        return failed(views.error());
    }
    std::vector<std::pair<std::int64_t, Cells>> ranked;
    for (std::size_t i = 0; i < views->size(); ++i) {
        Answer<Cells> cells = row_of(db, *views, i);
        if (!cells) {
            return failed(cells.error());
        }
        const Answer<Relation> relation = find_relation(db, views->text(i, 0));
        const Answer<std::int64_t> depth =
            relation ? view_depth(db, relation->oid) : Answer<std::int64_t>{0};
        ranked.emplace_back(depth ? *depth : 0, std::move(*cells));
    }
    std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
        return a.first < b.first;
    });
    Report report;
    report.columns = {{"view"},
                      {"filled"},
                      {"concurrently"},
                      {"rows", true},
                      {"bytes", true},
                      {"refreshed"},
                      {"took_ms", true},
                      {"changed"}};
    for (auto& [depth, cells] : ranked) {
        report.rows.push_back(std::move(cells));
    }
    return report;
}

}  // namespace weir::maintenance
