#include "maintenance/aggregate_template.hpp"

#include <chrono>
#include <utility>

namespace weir::maintenance {

namespace {

/// Finds what a template's words mean in a source.
class Words {
public:
    Words(const conf::AggregateSettings& settings, const std::set<std::string>& columns)
        : settings_{settings}, columns_{columns} {}

    /// @return the column, quoted; "" = there is none
    [[nodiscard]] std::string find(const std::string& word) const {
        const auto mapped = settings_.template_columns.find(word);
        const std::string& name =
            mapped == settings_.template_columns.end() ? word : mapped->second;
        return columns_.count(name) != 0 ? quote_identifier(name) : "";
    }

    /// The same; notes that it is missing.
    [[nodiscard]] std::string need(const std::string& word, AggregateRecipe& recipe) const {
        std::string found = find(word);
        if (found.empty() && recipe.problem.empty()) {
            recipe.problem = "the template needs a column " + word + ": map = { " + word +
                             " = \"…\" } says what the source calls it";
        }
        return found;
    }

    /// @return a problem where a mapped column is not there, or the word means nothing
    [[nodiscard]] std::string why_not() const {
        static const std::set<std::string> kKnown{
            "time", "url", "status", "session", "duration", "bytes", "user", "message", "sqlstate"};
        for (const auto& [word, column] : settings_.template_columns) {
            if (kKnown.count(word) == 0) {
                return "map." + word +
                       ": templates know time, url, status, session, duration, bytes, user, "
                       "message and sqlstate";
            }
            if (columns_.count(column) == 0) {
                return std::string{"map."}
                    .append(word)
                    .append(": the source has no column ")
                    .append(column);
            }
        }
        return {};
    }

private:
    const conf::AggregateSettings& settings_;
    const std::set<std::string>& columns_;
};

/// What requests are measured by, as far as the source knows it.
void add_measures(const Words& words, std::vector<AggregateColumn>& columns) {
    if (const std::string status = words.find("status"); !status.empty()) {
        columns.push_back({"errors", "count(*) FILTER (WHERE " + status + " >= 500)"});
    }
    if (const std::string bytes = words.find("bytes"); !bytes.empty()) {
        columns.push_back({"bytes", "sum(" + bytes + ")"});
    }
    if (const std::string user = words.find("user"); !user.empty()) {
        columns.push_back({"users", "count(DISTINCT " + user + ")"});
    }
    if (const std::string duration = words.find("duration"); !duration.empty()) {
        // As numeric: sums of floating-point numbers depend on the order of the rows.
        columns.push_back({"duration_sum", "sum(" + duration + "::numeric)"});
        columns.push_back({"duration_max", "max(" + duration + ")"});
        columns.push_back(
            {"duration_p95", "percentile_disc(0.95) WITHIN GROUP (ORDER BY " + duration + ")"});
    }
}

/// The path without what varies, and short enough for an index.
std::string url_pattern(const std::string& url) {
    return "left(regexp_replace(regexp_replace(split_part(" + url +
           "::text, '?', 1), "
           "'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', ':uuid', 'gi'), "
           "'/[0-9]+(?=/|$)', '/:id', 'g'), 500)";
}

/// A message without numbers, quoted strings and hexadecimal digits.
std::string message_pattern(const std::string& message) {
    return "left(regexp_replace(regexp_replace(" + message +
           "::text, '''[^'']*''|\"[^\"]*\"', '?', 'g'), '\\m(0x)?[0-9a-fA-F]*[0-9][0-9a-fA-F]*\\M'"
           ", '?', 'g'), 500)";
}

void make_hourly(const Words& words, AggregateRecipe& recipe) {
    recipe.columns.push_back({"requests", "count(*)"});
    add_measures(words, recipe.columns);
}

void make_url(const Words& words, AggregateRecipe& recipe) {
    recipe.groups.push_back({"url", url_pattern(words.need("url", recipe))});
    make_hourly(words, recipe);
}

void make_session(const Words& words, const std::string& time, AggregateRecipe& recipe) {
    recipe.groups.push_back({"session", words.need("session", recipe)});
    recipe.columns.push_back({"first_seen", "min(" + time + ")"});
    recipe.columns.push_back({"last_seen", "max(" + time + ")"});
    make_hourly(words, recipe);
}

void make_error(const Words& words, const std::string& time, AggregateRecipe& recipe) {
    const std::string state = words.find("sqlstate");
    const std::string status = words.find("status");
    const std::string message = words.need("message", recipe);
    std::string error_class = "'error'::text";
    if (!state.empty()) {
        error_class = "left(" + state + "::text, 2)";
    } else if (!status.empty()) {
        error_class = "(" + status + " / 100)::text || 'xx'";
    }
    recipe.groups.push_back({"class", error_class});
    recipe.groups.push_back({"pattern", message_pattern(message)});
    recipe.columns.push_back({"first_seen", "min(" + time + ")"});
    recipe.columns.push_back({"last_seen", "max(" + time + ")"});
    recipe.columns.push_back({"n", "count(*)"});
    recipe.columns.push_back({"sample", "min(" + message + "::text)"});
}

}  // namespace

AggregateRecipe expand_template(const conf::AggregateSettings& settings,
                                const std::set<std::string>& source_columns) {
    AggregateRecipe recipe;
    const Words words{settings, source_columns};
    if (recipe.problem = words.why_not(); !recipe.problem.empty()) {
        return recipe;
    }
    recipe.bucket.time = std::chrono::hours{1};
    const std::string time = quote_identifier(settings.time);
    switch (settings.kind) {
        case conf::AggregateTemplate::None: break;
        case conf::AggregateTemplate::Hourly: make_hourly(words, recipe); break;
        case conf::AggregateTemplate::Url: make_url(words, recipe); break;
        case conf::AggregateTemplate::Session: make_session(words, time, recipe); break;
        case conf::AggregateTemplate::Error: make_error(words, time, recipe); break;
    }
    return recipe;
}

}  // namespace weir::maintenance
