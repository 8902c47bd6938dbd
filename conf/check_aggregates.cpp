#include "conf/draft.hpp"
#include "conf/sql_name.hpp"
#include "conf/value.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <string_view>

/// Whether aggregates can be made, and whether their source lives long enough for them.
namespace weir::conf {

namespace {

bool is_broken(const Draft& draft, const std::string& key) {
    return draft.broken.count(key) != 0;
}

/// @return whether the name of a table or view is there and is one
bool check_relation(Draft& draft,
                    const std::string& path,
                    const std::string& key,
                    const std::string& written) {
    if (is_broken(draft, path + "." + key)) {
        return false;
    }
    if (written.empty()) {
        draft.complain(
            path, "has no " + key + "; accepted: " + key + " = \"public.events\" and the like");
        return false;
    }
    if (relation_name(written).empty()) {
        draft.complain(path + "." + key,
                       toml_string(written) +
                           " is no table's name; accepted: \"events\", \"public.events\" and the "
                           "like");
        return false;
    }
    return true;
}

void check_relations(Draft& draft,
                     const std::string& path,
                     const AggregateSettings& aggregate,
                     std::map<std::string, std::string>& paths) {
    const bool has_source = check_relation(draft, path, "source", aggregate.source);
    const bool has_target = check_relation(draft, path, "target", aggregate.target);
    const std::string target = relation_name(aggregate.target);
    if (has_source && has_target && target == relation_name(aggregate.source)) {
        draft.complain(
            path + ".target",
            toml_string(aggregate.target) + " is the source itself; accepted: a table of its own");
    } else if (has_target) {
        if (const auto [other, is_new] = paths.emplace(target, path); !is_new) {
            draft.complain(path + ".target",
                           toml_string(aggregate.target) + " is that of " + other->second +
                               " too; accepted: a table of its own for each");
        }
    }
    if (!aggregate.view.empty() && check_relation(draft, path, "view", aggregate.view)) {
        const std::string view = relation_name(aggregate.view);
        if (view == target || view == relation_name(aggregate.source)) {
            draft.complain(
                path + ".view",
                toml_string(aggregate.view) + " is a table's name here; accepted: one of its own");
        }
    }
}

void check_time(Draft& draft, const std::string& path, const AggregateSettings& aggregate) {
    if (is_broken(draft, path + ".time")) {
        return;
    }
    if (aggregate.time.empty()) {
        draft.complain(path, "has no time; accepted: time = \"created_at\" and the like");
    } else if (!is_column_name(aggregate.time)) {
        draft.complain(path + ".time",
                       toml_string(aggregate.time) +
                           " is no column's name; accepted: a column of the source, as in "
                           "\"created_at\"");
    }
}

void check_bucket(Draft& draft, const std::string& path, const AggregateSettings& aggregate) {
    const std::string key = path + ".bucket";
    // A template has one of its own.
    if (!aggregate.bucket.is_zero() || aggregate.kind != AggregateTemplate::None ||
        is_broken(draft, key)) {
        return;
    }
    if (draft.places.count(key) != 0) {
        draft.complain(key, "is no time at all; accepted: \"1 hour\" and the like");
    } else {
        draft.complain(path, "has no bucket; accepted: bucket = \"1 hour\" and the like");
    }
}

/// @param names of the target's columns so far
void check_group_by(Draft& draft,
                    const std::string& path,
                    const AggregateSettings& aggregate,
                    std::set<std::string, std::less<>>& names) {
    const std::string key = path + ".group_by";
    for (const std::string& group : aggregate.group_by) {
        const std::string_view name = name_of_expression(group);
        if (name.empty() || group.find_first_of(std::string_view{";\0", 2}) != std::string::npos) {
            draft.complain(key,
                           toml_string(group) +
                               " is no column's name; accepted: a column, or an expression with a "
                               "name, as in \"lower(url) AS url\"");
        } else if (!names.emplace(name).second) {
            draft.complain(key, toml_string(name) + " is there twice; accepted: each column once");
        }
    }
}

void check_columns(Draft& draft, const std::string& path, const AggregateSettings& aggregate) {
    const std::string key = path + ".columns";
    std::set<std::string, std::less<>> names;
    if (!is_broken(draft, path + ".group_by")) {
        check_group_by(draft, path, aggregate, names);
    }
    if (is_broken(draft, key)) {
        return;
    }
    if (aggregate.columns.empty() && aggregate.kind == AggregateTemplate::None) {
        draft.complain(path,
                       "has no columns; accepted: columns = { events = \"count(*)\" } and the "
                       "like, or a template");
    }
    for (const auto& [name, expression] : aggregate.columns) {
        const std::string column = join_key(key, name);
        if (!is_column_name(name)) {
            draft.complain(
                column,
                toml_string(name) + " is no column's name; accepted: \"events\" and the like");
        } else if (!names.insert(name).second) {
            draft.complain(column,
                           toml_string(name) + " is in group_by too; accepted: each column once");
        }
        if (expression.find_first_not_of(" \t\r\n") == std::string::npos ||
            expression.find_first_of(std::string_view{";\0", 2}) != std::string::npos) {
            draft.complain(column,
                           toml_string(expression) +
                               " is no aggregate; accepted: one expression, as in \"count(*)\"");
        }
    }
}

void check_map(Draft& draft, const std::string& path, const AggregateSettings& aggregate) {
    const std::string key = path + ".map";
    if (is_broken(draft, key)) {
        return;
    }
    if (!aggregate.template_columns.empty() && aggregate.kind == AggregateTemplate::None) {
        draft.complain(key,
                       "is for a template, and there is none; accepted: template = \"url\" and the "
                       "like beside it");
    }
    for (const auto& [name, column] : aggregate.template_columns) {
        if (!is_column_name(column)) {
            draft.complain(
                join_key(key, name),
                toml_string(column) + " is no column's name; accepted: a column of the source");
        }
    }
}

/// What retention takes away before it was summed up would be missing, or be taken from sums that
/// are computed again.
void check_source_lives(Draft& draft, const std::string& path, const AggregateSettings& aggregate) {
    const auto& partitions = draft.config.partitions;
    const std::string source = relation_name(aggregate.source);
    for (std::size_t i = 0; i < partitions.size(); ++i) {
        const std::string key = listed_path(Section::Partition, i) + ".retention";
        const KeyStep& keep = partitions[i].retention.keep;
        if (source.empty() || relation_name(partitions[i].table) != source || keep.is_zero() ||
            keep.is_number() || is_broken(draft, key)) {
            continue;
        }
        const CalendarSpan& back = std::max(
            aggregate.late, aggregate.delay, [](const CalendarSpan& a, const CalendarSpan& b) {
                return a.about() < b.about();
            });
        if (keep.span.about() < back.about() + 2 * aggregate.bucket.about()) {
            std::string problem =
                toml_string(keep.text) + " is less than " + path + " looks back, ";
            problem += toml_string(format_calendar_span(back)) + " and two buckets of ";
            problem += toml_string(format_calendar_span(aggregate.bucket));
            problem.append(
                ": it would lose what retention takes away; accepted: a longer keep, or a "
                "shorter ");
            problem.append(path).append(&back == &aggregate.late ? ".late" : ".delay");
            draft.complain(key + ".keep", problem);
        }
    }
}

}  // namespace

void check_aggregates(Draft& draft) {
    std::map<std::string, std::string> paths;
    const auto& aggregates = draft.config.aggregates;
    for (std::size_t i = 0; i < aggregates.size(); ++i) {
        const std::string path = listed_path(Section::Aggregate, i);
        check_relations(draft, path, aggregates[i], paths);
        check_time(draft, path, aggregates[i]);
        check_bucket(draft, path, aggregates[i]);
        check_columns(draft, path, aggregates[i]);
        check_map(draft, path, aggregates[i]);
        check_source_lives(draft, path, aggregates[i]);
    }
}

}  // namespace weir::conf
