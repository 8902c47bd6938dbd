#include "maintenance/aggregate_sql.hpp"

#include "maintenance/aggregate_template.hpp"

#include <utility>

namespace weir::maintenance {

namespace {

std::string joined(const std::vector<std::string>& parts, const std::string& before = {}) {
    std::string all;
    for (const std::string& part : parts) {
        all.append(all.empty() ? "" : ", ").append(before).append(part);
    }
    return all;
}

std::vector<std::string> names_of(const std::vector<AggregateColumn>& columns) {
    std::vector<std::string> names;
    names.reserve(columns.size());
    for (const AggregateColumn& column : columns) {
        names.push_back(quote_identifier(column.name));
    }
    return names;
}

std::string selected(const std::vector<AggregateColumn>& columns) {
    std::string all;
    for (const AggregateColumn& column : columns) {
        all += (all.empty() ? "" : ", ") + column.sql + " AS " + quote_identifier(column.name);
    }
    return all;
}

std::string as_text(const std::vector<std::string>& names, const std::string& alias) {
    return "ROW(" + joined(names, alias + ".") + ")::text";
}

}  // namespace

AggregateSql::AggregateSql(const AggregateDefinition& definition, std::string target)
    : definition_{definition}, target_{std::move(target)} {}

std::string AggregateSql::list(const std::string& alias) const {
    return joined(definition_.column_names(), alias.empty() ? alias : alias + ".");
}

std::string AggregateSql::state(const char* column) const {
    // Of one that was forgotten all that is in the target is all there is.
    return definition_.calendar.from_control(
        std::string{"coalesce((SELECT "} + column +
        " FROM weir.aggregate WHERE target = " + quote_literal(definition_.target.text()) + "), '" +
        (std::string_view{column} == "watermark" ? "" : "-") + "infinity'::timestamptz)");
}

std::string AggregateSql::window_query(const std::string& condition) const {
    const std::size_t keys = definition_.key_names().size();
    std::string positions;
    for (std::size_t i = 1; i <= keys; ++i) {
        positions += (i == 1 ? "" : ", ") + std::to_string(i);
    }
    std::string columns;
    if (!definition_.is_per_session) {
        columns = definition_.calendar.bucket_of(definition_.time) + " AS " +
                  quote_identifier(kBucketColumn);
    }
    for (const auto* list : {&definition_.groups, &definition_.columns}) {
        if (!list->empty()) {
            columns += (columns.empty() ? "" : ", ") + selected(*list);
        }
    }
    return "SELECT " + columns + " FROM " + definition_.source.sql() +
           (condition.empty() ? "" : " WHERE " + condition) + " GROUP BY " + positions;
}

std::string AggregateSql::query(const std::string& condition) const {
    if (!definition_.is_per_session) {
        return window_query(condition);
    }
    const std::string known = definition_.groups.front().sql + " IS NOT NULL";
    return window_query(condition.empty() ? known : condition + " AND " + known);
}

std::string AggregateSql::session_query(const BucketRange& range, Label up_to) const {
    const BucketCalendar& calendar = definition_.calendar;
    const std::string session = definition_.groups.front().sql;
    const std::string name = quote_identifier(definition_.groups.front().name);
    const std::string look = " '" + std::string{kSessionLookBack} + "'::interval";
    // Sessions that had a row there and have it no longer are known by the target alone; and how
    // far a session reaches, too.
    const std::string touched = "SELECT " + session + " AS session FROM " +
                                definition_.source.sql() + " WHERE " +
                                calendar.in_buckets(definition_.time, range.low, range.high) +
                                " AND " + session + " IS NOT NULL UNION SELECT t." + name +
                                " FROM " + target_ + " t WHERE " + target_rows("t", range);
    const std::string extent = "SELECT least(min(t.first_seen), " + calendar.literal(range.low) +
                               ") -" + look + " AS low, greatest(max(t.last_seen), " +
                               calendar.literal(range.high) + ") +" + look + " AS high FROM " +
                               target_ + " t WHERE t." + name + " IN (SELECT session FROM touched)";
    const std::string frozen =
        "SELECT t." + name + " FROM " + target_ + " t JOIN weir.aggregate_frozen f ON f.target = " +
        quote_literal(definition_.target.text()) + " AND t.first_seen < " +
        calendar.from_control("f.high") + " AND t.last_seen >= " + calendar.from_control("f.low") +
        " WHERE t." + name + " IN (SELECT session FROM touched)";
    return "WITH touched AS (" + touched + "), extent AS (" + extent + "), frozen AS (" + frozen +
           ") " +
           query(session + " IN (SELECT session FROM touched EXCEPT SELECT * FROM frozen) AND " +
                 definition_.time + " >= (SELECT low FROM extent) AND " + definition_.time +
                 " < (SELECT high FROM extent) AND " +
                 calendar.in_buckets(definition_.time, kEarliest, up_to));
}

std::vector<std::string> AggregateSql::make_staging() const {
    return {std::string{"DROP TABLE IF EXISTS "} + kStaging,
            "CREATE TEMP TABLE weir_fresh ON COMMIT DELETE ROWS AS " + query({}) + " WITH NO DATA"};
}

std::string AggregateSql::fill(const BucketRange& range, Label up_to) const {
    return std::string{"INSERT INTO "} + kStaging + " " +
           (definition_.is_per_session ? session_query(range, up_to)
                                       : window_query(definition_.calendar.in_buckets(
                                             definition_.time, range.low, range.high)));
}

std::string AggregateSql::target_rows(const std::string& alias, const BucketRange& range) const {
    const std::string low = definition_.calendar.literal(range.low);
    const std::string high = definition_.calendar.literal(range.high);
    if (!definition_.is_per_session) {
        const std::string bucket = alias + "." + quote_identifier(kBucketColumn);
        return bucket + " >= " + low + " AND " + bucket + " < " + high;
    }
    // A little wider, as days may be (BucketCalendar::in_buckets).
    return alias + ".first_seen < " + high + " + '4 hours'::interval AND " + alias +
           ".last_seen >= " + low + " - '4 hours'::interval";
}

std::string AggregateSql::matches() const {
    const std::vector<std::string> groups = names_of(definition_.groups);
    if (definition_.is_per_session) {
        return "n." + groups.front() + " = t." + groups.front();
    }
    const std::string bucket = quote_identifier(kBucketColumn);
    std::string all = "n." + bucket + " = t." + bucket;
    if (!groups.empty()) {
        all += " AND " + as_text(groups, "n") + " = " + as_text(groups, "t");
    }
    return all;
}

std::vector<std::string> AggregateSql::merge(const BucketRange& range) const {
    const std::vector<std::string> columns = names_of(definition_.columns);
    std::string assigned;
    for (const std::string& column : columns) {
        assigned.append(assigned.empty() ? "" : ", ").append(column).append(" = n.").append(column);
    }
    std::string here = target_rows("t", range);
    std::string in_update = here;
    if (definition_.is_per_session) {
        in_update = "true";  // a session may have grown beyond these buckets
        here += " AND NOT EXISTS (SELECT FROM weir.aggregate_frozen f WHERE f.target = " +
                quote_literal(definition_.target.text()) + " AND t.first_seen < " +
                definition_.calendar.from_control("f.high") +
                " AND t.last_seen >= " + definition_.calendar.from_control("f.low") + ")";
    }
    const std::string staging = kStaging;
    return {"DELETE FROM " + target_ + " t WHERE " + here + " AND NOT EXISTS (SELECT FROM " +
                staging + " n WHERE " + matches() + ")",
            "UPDATE " + target_ + " t SET " + assigned + " FROM " + staging + " n WHERE " +
                in_update + " AND " + matches() + " AND " + as_text(columns, "t") +
                " IS DISTINCT FROM " + as_text(columns, "n"),
            "INSERT INTO " + target_ + " (" + list() + ") SELECT " + list("n") + " FROM " +
                staging + " n WHERE NOT EXISTS (SELECT FROM " + target_ + " t WHERE " + in_update +
                " AND " + matches() + ")"};
}

std::string AggregateSql::compare(const BucketRange& range) const {
    const std::string where = definition_.is_per_session ? quote_identifier("first_seen")
                                                         : quote_identifier(kBucketColumn);
    const std::string at = "n." + where + " AS at, ";
    const std::string row = as_text(definition_.column_names(), "n") + " AS r";
    const std::string fresh = "SELECT " + at + row + " FROM " + std::string{kStaging} + " n";
    std::string stored =
        "SELECT " + at + row + " FROM " + target_ + " n WHERE " + target_rows("n", range);
    if (definition_.is_per_session) {
        const std::string name = quote_identifier(definition_.groups.front().name);
        stored += " OR n." + name + " IN (SELECT " + name + " FROM " + kStaging + ")";
    }
    const std::string bucket =
        definition_.is_per_session ? definition_.calendar.bucket_of("at") : "at";
    return "SELECT label, count(*) FROM (SELECT " + definition_.calendar.label_of(bucket) +
           " AS label FROM ((" + fresh + " EXCEPT ALL " + stored + ") UNION ALL (" + stored +
           " EXCEPT ALL " + fresh + ")) d) l WHERE label IS NOT NULL GROUP BY 1 ORDER BY 1";
}

std::string AggregateSql::create_target() const {
    return "CREATE TABLE " + target_ + " AS " + query({}) + " WITH NO DATA";
}

std::string AggregateSql::create_index(const std::string& name, int server_version) const {
    return create_index(name, definition_.key_names(), server_version);
}

std::string AggregateSql::create_index(const std::string& name,
                                       const std::vector<std::string>& keys,
                                       int server_version) const {
    constexpr int kNullsNotDistinct = 150'000;
    return "CREATE UNIQUE INDEX " + (name.empty() ? name : quote_identifier(name) + " ") + "ON " +
           target_ + " (" + joined(keys) + ")" +
           (server_version >= kNullsNotDistinct ? " NULLS NOT DISTINCT" : "");
}

std::string AggregateSql::create_view(const std::string& view) const {
    const std::string bucket = quote_identifier(kBucketColumn);
    const std::string low = state("low_mark");
    const std::string watermark = state("watermark");
    const BucketCalendar& calendar = definition_.calendar;
    return "CREATE OR REPLACE VIEW " + view + " AS SELECT " + list() + " FROM " + target_ +
           " WHERE " + bucket + " >= " + low + " AND " + bucket + " < " + watermark +
           " UNION ALL " + query(calendar.in_buckets(definition_.time, watermark, "")) +
           " UNION ALL " + query(calendar.in_buckets(definition_.time, "", low));
}

std::string AggregateSql::create_marker(const std::string& function) const {
    const BucketCalendar& calendar = definition_.calendar;
    const std::string target = quote_literal(definition_.target.text());
    const auto mark = [&](const char* rows) {
        return std::string{"INSERT INTO weir.aggregate_dirty (target, bucket) SELECT "} + target +
               ", b FROM (SELECT DISTINCT " +
               calendar.to_control(calendar.bucket_of(definition_.time)) + " AS b FROM " + rows +
               " WHERE isfinite(" + definition_.time +
               ")) q WHERE b < (SELECT threshold FROM weir.aggregate WHERE target = " + target +
               ") OR current_setting('transaction_isolation') <> 'read committed'; ";
    };
    // A transaction with an older snapshot cannot see the threshold that holds: it marks always.
    const std::string body =
        "BEGIN IF TG_OP = 'TRUNCATE' THEN INSERT INTO weir.aggregate_span (target, low, high) "
        "VALUES (" +
        target + ", '-infinity', 'infinity'); END IF; IF TG_OP IN ('INSERT', 'UPDATE') THEN " +
        mark("new_rows") + "END IF; IF TG_OP IN ('UPDATE', 'DELETE') THEN " + mark("old_rows") +
        "END IF; RETURN NULL; END";
    return "CREATE OR REPLACE FUNCTION " + function +
           "() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, "
           "pg_temp AS " +
           quote_literal(body);
}

}  // namespace weir::maintenance
