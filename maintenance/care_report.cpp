#include "maintenance/care_report.hpp"

#include "maintenance/care_indexes.hpp"
#include "maintenance/care_item.hpp"
#include "maintenance/care_tables.hpp"
#include "maintenance/view_facts.hpp"
#include "maintenance/view_refresh.hpp"
#include "maintenance/view_sources.hpp"
#include "maintenance/view_state.hpp"

#include <optional>
#include <string>
#include <utility>

namespace weir::maintenance {

namespace {

void add(Report& report, const char* care, const CarePlan& plan) {
    for (const CareItem& item : plan.items) {
        report.rows.push_back({care,
                               item.object,
                               item.why,
                               item.sql.empty() ? std::nullopt : std::optional{item.sql},
                               item.locks.empty() ? std::nullopt : std::optional{item.locks}});
    }
    for (const std::string& name : plan.forbidden) {
        report.rows.push_back(
            {care, name, "needs it, and only its owner may do it", std::nullopt, std::nullopt});
    }
}

/// @return "" where it is up to date
Answer<std::string> why_refresh(Connection& db, const ViewFacts& view) {
    if (!view.is_populated) {
        return std::string{"has never been filled"};
    }
    const Answer<ViewSources> sources = read_view_sources(db, view.relation.oid);
    if (!sources) {
        return failed(sources.error());
    }
    const auto state = read_view_state(db, view.relation.oid);
    if (!state) {
        return failed(state.error());
    }
    if (!sources->unknown.empty()) {
        return "may be out of date: " + sources->unknown;
    }
    if (!*state) {
        return std::string{"was never refreshed by Weir"};
    }
    if ((*state)->signature == sources->signature) {
        return std::string{};
    }
    return "what it reads has changed since " + (*state)->refreshed_at;
}

Answer<CarePlan> plan_views(JobContext& job,
                            const std::vector<conf::MaterializedViewSettings>& views) {
    CarePlan plan;
    const auto ordered = in_order_of_reading(job, views);
    if (!ordered) {
        return failed(ordered.error());
    }
    for (const conf::MaterializedViewSettings& settings : *ordered) {
        CareItem item;
        item.object = settings.name;
        const Answer<ViewFacts> view = read_view(job.db, settings.name);
        if (!view) {
            item.why = view.error().line();
            plan.items.push_back(std::move(item));
            continue;
        }
        item.object = view->relation.text();
        Answer<std::string> why = why_refresh(job.db, *view);
        if (!why) {
            return failed(why.error());
        }
        if (why->empty()) {
            continue;
        }
        if (!view->may_refresh) {
            plan.forbidden.push_back(view->relation.text());
            continue;
        }
        const bool is_concurrent = settings.concurrently != conf::Concurrently::Never &&
                                   view->why_not_concurrently().empty();
        item.why = std::move(*why);
        item.sql = std::string{"REFRESH MATERIALIZED VIEW "} +
                   (is_concurrent ? "CONCURRENTLY " : "") + view->relation.sql();
        item.locks = is_concurrent ? "EXCLUSIVE: it can be read meanwhile"
                                   : "ACCESS EXCLUSIVE: its readers wait";
        plan.items.push_back(std::move(item));
    }
    return plan;
}

}  // namespace

Answer<Report> report_care(JobContext& job,
                           const std::vector<conf::MaterializedViewSettings>& views) {
    Report report;
    report.columns = {{"care"}, {"object"}, {"why"}, {"sql"}, {"locks"}};
    const Answer<CarePlan> refresh = plan_views(job, views);
    if (!refresh) {
        return failed(refresh.error());
    }
    add(report, "refresh", *refresh);
    for (const auto& [care, plan_of] : {std::pair{"analyze", &plan_analyze},
                                        std::pair{"vacuum", &plan_vacuum},
                                        std::pair{"reindex", &plan_reindex}}) {
        const Answer<CarePlan> plan = plan_of(job);
        if (!plan) {
            return failed(plan.error());
        }
        add(report, care, *plan);
    }
    return report;
}

}  // namespace weir::maintenance
