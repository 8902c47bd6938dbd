#include "conf/draft.hpp"
#include "conf/sql_name.hpp"
#include "conf/suggest.hpp"
#include "conf/time_zone.hpp"
#include "conf/value.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

/// Where the database is maintained, by whose clock, and what is run there.
namespace weir::conf {

namespace {

using std::chrono::milliseconds;

constexpr std::string_view kPgBouncerName = "pgbouncer";
constexpr milliseconds kMostOften{1'000};
/// In bytes: they are labels of metrics.
constexpr std::size_t kMaxTaskName = 128;

bool is_broken(const Draft& draft, const std::string& key) {
    return draft.broken.count(key) != 0;
}

void check_database(Draft& draft) {
    constexpr const char* kKey = "maintenance.database";
    const Config& config = draft.config;
    const std::string& name = config.maintenance.database;
    if (is_broken(draft, kKey) || (name != "*" && config.databases.count(name) != 0)) {
        return;
    }
    if (name.empty()) {
        if (config.maintenance.enabled) {
            draft.complain("maintenance.enabled",
                           "needs a database; accepted: maintenance.database = \"shop\" and the "
                           "like, the NAME of a [database.NAME]");
        }
        return;
    }
    if (name == config.admin.database || name == kPgBouncerName) {
        draft.complain(
            kKey,
            toml_string(name) + " is the admin database; accepted: the NAME of a [database.NAME]");
        return;
    }
    std::vector<std::string_view> names;
    for (const auto& [known, database] : config.databases) {
        if (known != "*") {
            names.push_back(known);
        }
    }
    const std::string_view meant = nearest(name, names);
    draft.complain(kKey,
                   toml_string(name) + " is no [database.NAME]" +
                       (meant.empty() ? ";" : ", did you mean " + toml_string(meant) + "?") +
                       " accepted: the NAME of one that has a section of its own");
}

void check_time_zone(Draft& draft) {
    const std::string key = "maintenance.timezone";
    const std::string& name = draft.config.maintenance.timezone;
    if (const std::string problem = problem_of_time_zone(name);
        !problem.empty() && !is_broken(draft, key)) {
        draft.complain(key, toml_string(name) + " " + problem);
    }
}

void check_every(Draft& draft, const std::string& path, milliseconds every) {
    if (every.count() != 0 && every < kMostOften && !is_broken(draft, path + ".every")) {
        draft.complain(
            path + ".every",
            toml_string(format_duration(every)) + " is too often; accepted: \"1s\" and longer");
    }
}

/// Lets schedule stand for the default of every.
void settle_view(const Draft& draft, const std::string& path, MaterializedViewSettings& view) {
    const bool is_default =
        draft.places.count(path) != 0 && draft.places.count(path + ".every") == 0;
    if (!view.schedule.empty() && is_default) {
        view.every = milliseconds{0};
    }
}

void check_view_name(Draft& draft,
                     const std::string& path,
                     const std::string& written,
                     std::map<std::string, std::string>& paths) {
    const std::string name = relation_name(written);
    if (is_broken(draft, path + ".name")) {
        return;
    }
    if (written.empty()) {
        draft.complain(path, "has no name; accepted: name = \"public.totals\" and the like");
    } else if (name.empty()) {
        draft.complain(path + ".name",
                       toml_string(written) +
                           " is no view's name; accepted: \"totals\", \"public.totals\" and the "
                           "like");
    } else if (const auto [other, is_new] = paths.emplace(name, path); !is_new) {
        draft.complain(path + ".name",
                       toml_string(written) + " is that of " + other->second +
                           " too; accepted: each view once");
    }
}

void check_views(Draft& draft) {
    std::map<std::string, std::string> paths;
    auto& views = draft.config.materialized_views;
    for (std::size_t i = 0; i < views.size(); ++i) {
        const std::string path = listed_path(Section::MaterializedView, i);
        settle_view(draft, path, views[i]);
        check_view_name(draft, path, views[i].name, paths);
        check_every(draft, path, views[i].every);
        if (!views[i].schedule.empty() && views[i].every.count() != 0) {
            draft.complain(path + ".schedule",
                           "says when, and every says it too; accepted: one of them, and \"\" or "
                           "\"0s\" for the other");
        }
    }
}

void check_task_name(Draft& draft,
                     const std::string& path,
                     const std::string& name,
                     std::map<std::string, std::string>& paths) {
    if (is_broken(draft, path + ".name")) {
        return;
    }
    if (name.empty()) {
        draft.complain(path, "has no name; accepted: name = \"expire-sessions\" and the like");
    } else if (name.size() > kMaxTaskName) {
        draft.complain(path + ".name",
                       "is too long; accepted: at most " + std::to_string(kMaxTaskName) + " bytes");
    } else if (const auto [other, is_new] = paths.emplace(name, path); !is_new) {
        draft.complain(path + ".name",
                       toml_string(name) + " is that of " + other->second +
                           " too; accepted: a name of its own");
    }
}

void check_task_time(Draft& draft, const std::string& path, const TaskSettings& task) {
    if (is_broken(draft, path + ".schedule") || is_broken(draft, path + ".every")) {
        return;
    }
    if (task.schedule.empty() && task.every.count() == 0) {
        draft.complain(path,
                       "never runs; accepted: schedule = \"*/10 * * * *\" and the like, or every "
                       "= \"10m\"");
    } else if (!task.schedule.empty() && task.every.count() != 0) {
        draft.complain(path + ".every",
                       "says when, and schedule says it too; accepted: one of them");
    }
    check_every(draft, path, task.every);
}

void check_tasks(Draft& draft) {
    std::map<std::string, std::string> paths;
    const auto& tasks = draft.config.tasks;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        const std::string path = listed_path(Section::Task, i);
        check_task_name(draft, path, tasks[i].name, paths);
        check_task_time(draft, path, tasks[i]);
        if (tasks[i].sql.find_first_not_of(" \t\r\n\f\v;") == std::string::npos &&
            !is_broken(draft, path + ".sql")) {
            draft.complain(path, "has no sql; accepted: sql = \"DELETE FROM …\" and the like");
        }
    }
}

}  // namespace

void check_maintenance(Draft& draft) {
    check_database(draft);
    check_time_zone(draft);
    check_views(draft);
    check_tasks(draft);
}

}  // namespace weir::conf
