#include "sql/parse_tree.hpp"

#include <pg_query.h>

#include <memory>

namespace weir::sql {

namespace {

const Json& nothing() {
    static const Json kNothing;
    return kNothing;
}

}  // namespace

Json parse_tree(const std::string& text) {
    PgQueryParseResult result = pg_query_parse(text.c_str());
    const std::unique_ptr<PgQueryParseResult, void (*)(PgQueryParseResult*)> freed{
        &result, [](PgQueryParseResult* parsed) { pg_query_free_parse_result(*parsed); }};
    if (result.error != nullptr || result.parse_tree == nullptr) {
        return Json::value_t::discarded;
    }
    return Json::parse(std::string_view{result.parse_tree},
                       /*cb=*/nullptr,
                       /*allow_exceptions=*/false);
}

const Json& field(const Json& object, std::string_view name) {
    if (!object.is_object()) {
        return nothing();
    }
    const auto found = object.find(name);
    return found == object.end() ? nothing() : *found;
}

std::string_view text_field(const Json& object, std::string_view name) {
    const auto* text = field(object, name).get_ptr<const std::string*>();
    return text == nullptr ? std::string_view{} : std::string_view{*text};
}

bool is_set(const Json& object, std::string_view name) {
    const auto* value = field(object, name).get_ptr<const bool*>();
    return value != nullptr && *value;
}

Node node_of(const Json& value) {
    if (!value.is_object() || value.size() != 1) {
        return {};
    }
    const std::string& key = value.begin().key();
    const bool is_kind = !key.empty() && key.front() >= 'A' && key.front() <= 'Z';
    return is_kind ? Node{key, &value.begin().value()} : Node{};
}

std::string_view string_of(const Json& value) {
    const Node node = node_of(value);
    return node.kind == "String" ? text_field(*node.fields, "sval") : std::string_view{};
}

}  // namespace weir::sql
