#include "maintenance/aggregate_definition.hpp"

#include "maintenance/aggregate_template.hpp"

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>

namespace weir::maintenance {

namespace {

std::string lower(std::string_view text) {
    std::string lowered{text};
    std::transform(lowered.begin(), lowered.end(), lowered.begin(), [](unsigned char c) {
        return static_cast<char>(std::tolower(c));
    });
    return lowered;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kBlank);
    return first == std::string_view::npos
               ? std::string_view{}
               : text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

/// @return the name as PostgreSQL reads it: folded, or what stands in quotes; "" = no name
std::string read_name(std::string_view text) {
    if (text.size() > 2 && text.front() == '"' && text.back() == '"') {
        std::string name;
        for (std::size_t i = 1; i + 1 < text.size(); ++i) {
            name += text[i];
            i += text[i] == '"' ? 1U : 0U;  // doubled
        }
        return name;
    }
    const bool is_word = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return std::isalnum(byte) != 0 || c == '_' || c == '$' || byte >= 0x80U;
    });
    return is_word && std::isdigit(static_cast<unsigned char>(text.front())) == 0 ? lower(text)
                                                                                  : "";
}

/// @return where the last word AS stands, with blanks around it; npos = nowhere
std::size_t find_as(std::string_view text) {
    const std::string lowered = lower(text);
    std::size_t found = std::string::npos;
    for (std::size_t at = lowered.find("as"); at != std::string::npos;
         at = lowered.find("as", at + 1)) {
        const bool is_word = at > 0 && at + 2 < lowered.size() &&
                             std::isspace(static_cast<unsigned char>(lowered[at - 1])) != 0 &&
                             std::isspace(static_cast<unsigned char>(lowered[at + 2])) != 0;
        found = is_word ? at : found;
    }
    return found;
}

struct SourceColumns {
    std::set<std::string> names;
    std::string time_type;  // "" = no such column
};

Answer<SourceColumns> read_columns(Connection& db,
                                   const Relation& source,
                                   const std::string& time) {
    const Answer<Rows> rows = db.run(
        "SELECT attname, format_type(atttypid, NULL) FROM pg_catalog.pg_attribute "
        "WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped",
        {std::to_string(source.oid)});
    if (!rows) {
        return failed(rows.error());
    }
    SourceColumns columns;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        columns.names.insert(rows->text(i, 0));
        if (rows->view(i, 0) == time) {
            columns.time_type = rows->text(i, 1);
        }
    }
    return columns;
}

Answer<TimeType> time_type(const SourceColumns& columns,
                           const Relation& source,
                           const std::string& time) {
    if (columns.time_type.empty()) {
        return problem(source.text() + " has no column " + time,
                       "time names the column that says when a row belongs");
    }
    if (columns.time_type == "timestamp with time zone") {
        return TimeType::Timestamptz;
    }
    if (columns.time_type == "timestamp without time zone") {
        return TimeType::Timestamp;
    }
    if (columns.time_type == "date") {
        return TimeType::Date;
    }
    return problem(source.text() + "." + time + " is " + columns.time_type,
                   "time is a column of type timestamptz, timestamp or date");
}

Answer<std::vector<AggregateColumn>> read_groups(const conf::AggregateSettings& settings,
                                                 const Relation& source,
                                                 const SourceColumns& columns) {
    std::vector<AggregateColumn> groups;
    for (const std::string& text : settings.group_by) {
        AggregateColumn group = parse_group(text);
        if (group.name.empty()) {
            return problem("group_by " + text + " has no name",
                           "a column, or an expression with one: \"" + text + " AS name\"");
        }
        if (group.sql.empty()) {
            // As written it may be a name in quotes or with capitals.
            const std::string& name = columns.names.count(text) != 0 ? text : group.name;
            if (columns.names.count(name) == 0) {
                return problem("group_by " + text + ": " + source.text() + " has no such column",
                               "a column of the source, or \"expression AS name\"");
            }
            group = {name, quote_identifier(name)};
        }
        groups.push_back(std::move(group));
    }
    return groups;
}

std::string why_names_clash(const AggregateDefinition& definition) {
    std::set<std::string> names;
    if (!definition.is_per_session) {
        names.emplace(kBucketColumn);
    }
    for (const auto* list : {&definition.groups, &definition.columns}) {
        for (const AggregateColumn& column : *list) {
            if (!names.insert(column.name).second) {
                return "the target would have two columns " + column.name;
            }
        }
    }
    return definition.columns.empty() ? "there are no columns: columns = { events = \"count(*)\" }"
                                      : "";
}

Answer<Relation> find_source(Connection& db, const conf::AggregateSettings& settings) {
    Answer<Relation> source = find_relation(db, settings.source);
    if (source && source->kind != 'r' && source->kind != 'p') {
        return problem("source " + source->text() + " is no table",
                       "an aggregate is made of a table, partitioned or not");
    }
    return source;
}

}  // namespace

std::string AggregateDefinition::text() const {
    std::string all = "source " + source.text() + "\ntime " + time + "\nbucket " +
                      calendar.bucket_of(time) + "\n";
    for (const AggregateColumn& group : groups) {
        all += "group " + group.name + " = " + group.sql + "\n";
    }
    for (const AggregateColumn& column : columns) {
        all += "column " + column.name + " = " + column.sql + "\n";
    }
    return all + (is_per_session ? "per session\n" : "");
}

std::vector<std::string> AggregateDefinition::key_names() const {
    std::vector<std::string> names;
    if (!is_per_session) {
        names.push_back(quote_identifier(kBucketColumn));
    }
    for (const AggregateColumn& group : groups) {
        names.push_back(quote_identifier(group.name));
    }
    return names;
}

std::vector<std::string> AggregateDefinition::column_names() const {
    std::vector<std::string> names = key_names();
    for (const AggregateColumn& column : columns) {
        names.push_back(quote_identifier(column.name));
    }
    return names;
}

AggregateColumn parse_group(std::string_view text) {
    const std::string_view all = trimmed(text);
    const std::size_t as = find_as(all);
    if (as == std::string_view::npos) {
        return {read_name(all), {}};
    }
    return {read_name(trimmed(all.substr(as + 2))), std::string{trimmed(all.substr(0, as))}};
}

Answer<TargetName> target_name(Connection& db, const std::string& name) {
    const Answer<Rows> rows = db.run(
        "SELECT CASE WHEN array_length(n, 1) = 1 THEN coalesce((SELECT nspname FROM "
        "pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace WHERE "
        "c.oid "
        "= pg_catalog.to_regclass($1)), current_schema()) ELSE n[1] END, "
        "n[array_length(n, 1)], array_length(n, 1) FROM pg_catalog.parse_ident($1) AS n",
        {name});
    if (!rows) {
        return failed(rows.error());
    }
    constexpr std::int64_t kMost = 2;
    if (rows->is_null(0, 0) || rows->number(0, 2) > kMost) {
        return problem("target " + name + " is no name of a table",
                       "\"schema.table\", or \"table\" where the search path has a schema");
    }
    return TargetName{rows->text(0, 0), rows->text(0, 1)};
}

Answer<AggregateDefinition> define_aggregate(JobContext& job,
                                             const conf::AggregateSettings& settings) {
    const Answer<Relation> source = find_source(job.db, settings);
    if (!source) {
        return failed(source.error());
    }
    const Answer<TargetName> target = target_name(job.db, settings.target);
    if (!target) {
        return failed(target.error());
    }
    if (target->text() == source->text()) {
        return problem("target " + target->text() + " is the source itself",
                       "a table of its own gets the sums");
    }
    const Answer<SourceColumns> columns = read_columns(job.db, *source, settings.time);
    if (!columns) {
        return failed(columns.error());
    }
    const Answer<TimeType> type = time_type(*columns, *source, settings.time);
    if (!type) {
        return failed(type.error());
    }
    AggregateRecipe recipe = expand_template(settings, columns->names);
    if (!recipe.problem.empty()) {
        return problem("aggregate " + target->text() + ": " + recipe.problem);
    }
    const conf::CalendarSpan bucket = settings.bucket.is_zero() ? recipe.bucket : settings.bucket;
    if (const std::string why = BucketCalendar::why_not(*type, bucket); !why.empty()) {
        return problem("aggregate " + target->text() + ": " + why);
    }
    const Answer<std::vector<AggregateColumn>> groups = read_groups(settings, *source, *columns);
    if (!groups) {
        return failed(groups.error());
    }
    AggregateDefinition definition{settings,
                                   *source,
                                   *target,
                                   quote_identifier(settings.time),
                                   BucketCalendar{*type, bucket, job.settings.timezone},
                                   std::move(recipe.groups),
                                   std::move(recipe.columns),
                                   settings.kind == conf::AggregateTemplate::Session};
    if (definition.is_per_session && !groups->empty()) {
        return problem("aggregate " + target->text() + ": group_by is not for sessions",
                       "that template has one row for each session");
    }
    definition.groups.insert(definition.groups.end(), groups->begin(), groups->end());
    for (const auto& [name, sql] : settings.columns) {
        definition.columns.push_back({name, sql});
    }
    if (const std::string why = why_names_clash(definition); !why.empty()) {
        return problem("aggregate " + target->text() + ": " + why);
    }
    return definition;
}

Answer<void> check_expressions(Connection& db, const AggregateDefinition& definition) {
    for (const AggregateColumn& group : definition.groups) {
        const Answer<Rows> asked =
            db.run("SELECT count(*) FROM (SELECT " + group.sql + " FROM " +
                   definition.source.sql() + " WHERE false GROUP BY 1) AS groups");
        if (!asked) {
            return problem(
                definition.job() + ": group_by " + group.name + ": " + asked.error().text,
                asked.error().detail,
                asked.error().sqlstate);
        }
    }
    for (const AggregateColumn& column : definition.columns) {
        const Answer<Rows> asked = db.run("SELECT " + column.sql + " FROM " +
                                          definition.source.sql() + " WHERE false GROUP BY ()");
        if (!asked) {
            return problem(
                definition.job() + ": columns." + column.name + ": " + asked.error().text,
                asked.error().detail,
                asked.error().sqlstate);
        }
    }
    return {};
}

}  // namespace weir::maintenance
