#include "proxy/main_view.hpp"

#include "maintenance/identifier.hpp"
#include "maintenance/view_list.hpp"
#include "maintenance/view_refresh.hpp"

namespace weir::proxy {

namespace {

using Views = std::vector<conf::MaterializedViewSettings>;

/// @return what the configuration says of it, by whatever name; else what holds without a word
conf::MaterializedViewSettings settings_of(MaintenanceSession& session, const std::string& name) {
    const auto wanted = maintenance::find_relation(session.db, name);
    for (const conf::MaterializedViewSettings& view : session.config.materialized_views) {
        const auto known = maintenance::find_relation(session.db, view.name);
        if (view.name == name || (wanted && known && wanted->oid == known->oid)) {
            return view;
        }
    }
    conf::MaterializedViewSettings view;
    view.name = name;
    return view;
}

}  // namespace

ViewCommands::ViewCommands(CLI::App& app)
    : view_{app.add_subcommand("view", "materialized views")},
      list_{view_->add_subcommand("list", "which there are, and what has changed below them")},
      refresh_{view_->add_subcommand("refresh", "bring them up to date")} {
    view_->require_subcommand(1);
    for (CLI::App* command : {list_, refresh_}) {
        add_place(*command, arguments_);
    }
    add_forms(*list_, arguments_);
    add_dry_run(*refresh_, arguments_);
    refresh_->add_option("name", names_, "which; without a name every [[materialized_view]]");
    refresh_->add_flag("--force", is_forced_, "also where nothing they read has changed");
}

int ViewCommands::run() const {
    return list_->parsed() ? list() : refresh();
}

int ViewCommands::list() const {
    return run_maintenance(arguments_, [this](MaintenanceSession& session) {
        const auto report = maintenance::list_views(session.db);
        if (!report) {
            return complain(report.error());
        }
        print(*report, arguments_);
        return 0;
    });
}

int ViewCommands::refresh() const {
    return run_maintenance(arguments_, [this](MaintenanceSession& session) {
        Views views = session.config.materialized_views;
        if (!names_.empty()) {
            views.clear();
            for (const std::string& name : names_) {
                views.push_back(settings_of(session, name));
            }
        }
        if (views.empty()) {
            return complain({"no view to refresh",
                             {},
                             "name one, or have a [[materialized_view]] in the configuration"});
        }
        using maintenance::RefreshWhen;
        const auto when = is_forced_ ? RefreshWhen::Always : RefreshWhen::Changed;
        return conclude(maintenance::refresh_views(session.job, views, when));
    });
}

}  // namespace weir::proxy
