#include "conf/draft.hpp"
#include "conf/partition_name.hpp"
#include "conf/sql_name.hpp"
#include "conf/value.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// Whether the partitions that are wished for can be made, told apart and taken away.
namespace weir::conf {

namespace {

using Kind = NamePart::Kind;

bool is_broken(const Draft& draft, const std::string& key) {
    return draft.broken.count(key) != 0;
}

/// For comparing two that are both numbers or both not.
std::int64_t amount(const KeyStep& step) {
    return step.is_number() ? step.number : step.span.about().count();
}

void check_table(Draft& draft,
                 const std::string& path,
                 const std::string& written,
                 std::map<std::string, std::string>& paths) {
    const std::string key = path + ".table";
    const std::string table = relation_name(written);
    if (is_broken(draft, key)) {
        return;
    }
    if (written.empty()) {
        draft.complain(path, "has no table; accepted: table = \"public.events\" and the like");
    } else if (table.empty()) {
        draft.complain(key,
                       toml_string(written) +
                           " is no table's name; accepted: \"events\", \"public.events\" and the "
                           "like");
    } else if (const auto [other, is_new] = paths.emplace(table, path); !is_new) {
        draft.complain(key,
                       toml_string(written) + " is that of " + other->second +
                           " too; accepted: each table once");
    }
}

void check_key(Draft& draft, const std::string& path, const std::string& column) {
    if (is_broken(draft, path + ".key")) {
        return;
    }
    if (column.empty()) {
        draft.complain(path, "has no key; accepted: key = \"created_at\" and the like");
    } else if (!is_column_name(column)) {
        draft.complain(path + ".key",
                       toml_string(column) +
                           " is no column's name; accepted: the column it is partitioned by, as "
                           "in \"created_at\"");
    }
}

/// @return whether both are numbers or neither is; complains where it is not
bool is_alike(Draft& draft, const std::string& key, const KeyStep& interval, const KeyStep& step) {
    if (interval.is_number() == step.is_number()) {
        return true;
    }
    draft.complain(key,
                   toml_string(step.text) +
                       (interval.is_number() ? " is no number, and the interval "
                                             : " is a number, and the interval ") +
                       toml_string(interval.text) + (interval.is_number() ? " is" : " is none") +
                       "; accepted: " +
                       (interval.is_number() ? "a whole number, as the key is an integer"
                                             : "a span of the calendar, as the key is a time"));
    return false;
}

void check_ahead(Draft& draft, const std::string& path, const PartitionSettings& partition) {
    const std::string key = path + ".ahead";
    const KeyStep& interval = partition.interval;
    if (is_broken(draft, key) || interval.is_zero() ||
        !is_alike(draft, key + ".min", interval, partition.ahead_min) ||
        !is_alike(draft, key + ".max", interval, partition.ahead_max)) {
        return;
    }
    if (amount(partition.ahead_min) > amount(partition.ahead_max)) {
        draft.complain(key + ".min",
                       toml_string(partition.ahead_min.text) + " is more than the max, " +
                           toml_string(partition.ahead_max.text) + "; accepted: at most that");
    } else if (amount(partition.ahead_max) / 2 < amount(interval)) {
        draft.complain(key + ".max",
                       toml_string(partition.ahead_max.text) + " is less than two intervals of " +
                           toml_string(interval.text) +
                           "; accepted: at least two, so that there is one when the next begins");
    }
}

void check_retention(Draft& draft, const std::string& path, const PartitionSettings& partition) {
    const std::string key = path + ".retention";
    const RetentionSettings& retention = partition.retention;
    const KeyStep& interval = partition.interval;
    if (is_broken(draft, key)) {
        return;
    }
    if (retention.action == RetentionAction::Archive && retention.archive_schema.empty()) {
        draft.complain(key + ".action",
                       "\"archive\" needs a place; accepted: archive_schema = \"archive\" and the "
                       "like beside it");
    } else if (!retention.archive_schema.empty() && !is_column_name(retention.archive_schema)) {
        draft.complain(key + ".archive_schema",
                       toml_string(retention.archive_schema) +
                           " is no schema's name; accepted: \"archive\" and the like");
    }
    if (retention.keep.is_zero() || interval.is_zero() ||
        !is_alike(draft, key + ".keep", interval, retention.keep)) {
        return;
    }
    if (amount(retention.keep) < amount(interval)) {
        draft.complain(key + ".keep",
                       toml_string(retention.keep.text) + " is less than the interval, " +
                           toml_string(interval.text) +
                           "; accepted: at least that, as whole partitions go");
    }
}

struct Needed {
    Kind part;
    std::string_view written;
};

/// @return what must be in the name of partitions that are so far apart
std::vector<Needed> needed_in_name(const KeyStep& interval) {
    constexpr std::int64_t kMonthsOfYear = 12;
    if (interval.is_number()) {
        return {{Kind::Low, "{lo}"}};
    }
    const CalendarSpan& span = interval.span;
    const auto is_whole = [&span](std::chrono::microseconds unit) {
        return span.time % unit == std::chrono::microseconds{0};
    };
    const std::array all{Needed{Kind::Year, "{YYYY}"},
                         Needed{Kind::Month, "{MM}"},
                         Needed{Kind::Day, "{DD}"},
                         Needed{Kind::Hour, "{HH24}"},
                         Needed{Kind::Minute, "{MI}"},
                         Needed{Kind::Second, "{SS}"}};
    std::size_t count = all.size();
    if (span.time.count() == 0) {
        const bool is_years = span.months % kMonthsOfYear == 0;
        count = span.days != 0 ? 3 : (is_years ? 1 : 2);
    } else if (is_whole(std::chrono::hours{1})) {
        count = 4;
    } else if (is_whole(std::chrono::minutes{1})) {
        count = 5;
    }
    return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count)};
}

void check_name(Draft& draft, const std::string& path, const PartitionSettings& partition) {
    const std::string key = path + ".name";
    if (is_broken(draft, key)) {
        return;
    }
    const auto parts = parse_partition_name(partition.name);
    if (!parts.value) {
        draft.complain(key, toml_string(partition.name) + " " + parts.problem);
        return;
    }
    if (partition.interval.is_zero()) {
        return;
    }
    const auto has = [&parts](Kind kind) {
        return std::any_of(parts.value->begin(), parts.value->end(), [kind](const NamePart& part) {
            return part.kind == kind;
        });
    };
    constexpr std::int64_t kMonthsOfQuarter = 3;
    const bool is_of_quarters = has(Kind::Quarter) && partition.interval.span.days == 0 &&
                                partition.interval.span.months % kMonthsOfQuarter == 0;
    std::string missing;
    for (const Needed& needed : needed_in_name(partition.interval)) {
        if (!has(needed.part) && !(needed.part == Kind::Month && is_of_quarters)) {
            missing.append(missing.empty() ? "" : ", ").append(needed.written);
        }
    }
    if (!missing.empty()) {
        draft.complain(key,
                       toml_string(partition.name) + " does not tell partitions apart that are " +
                           toml_string(partition.interval.text) + " wide; accepted: one with " +
                           missing + " in it too");
    } else if (partition.interval.is_number() ? has(Kind::Year) : has(Kind::Low)) {
        draft.complain(key,
                       toml_string(partition.name) +
                           " mixes times and integers; accepted: {lo} for integers, else "
                           "{YYYY}, {MM} and so on");
    }
}

}  // namespace

void check_partitions(Draft& draft) {
    std::map<std::string, std::string> paths;
    const auto& partitions = draft.config.partitions;
    for (std::size_t i = 0; i < partitions.size(); ++i) {
        const std::string path = listed_path(Section::Partition, i);
        check_table(draft, path, partitions[i].table, paths);
        check_key(draft, path, partitions[i].key);
        if (partitions[i].interval.is_zero() && !is_broken(draft, path + ".interval")) {
            draft.complain(path, "has no interval; accepted: interval = \"1 month\" and the like");
        }
        check_ahead(draft, path, partitions[i]);
        check_retention(draft, path, partitions[i]);
        check_name(draft, path, partitions[i]);
    }
}

}  // namespace weir::conf
