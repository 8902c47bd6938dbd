#include "sql/plan_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

#include "sql/lexer.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

namespace weir::sql {

namespace {

using OrderedJson = nlohmann::ordered_json;

/// What makes the shape of a node: its kind, how it is used, and what it reads.
constexpr std::array<std::string_view, 13> kShapeKeys = {"Node Type",
                                                         "Parent Relationship",
                                                         "Strategy",
                                                         "Partial Mode",
                                                         "Join Type",
                                                         "Scan Direction",
                                                         "Operation",
                                                         "Command",
                                                         "Schema",
                                                         "Relation Name",
                                                         "Index Name",
                                                         "Function Name",
                                                         "CTE Name"};
/// Names besides those: no literal can stand there.
constexpr std::array<std::string_view, 4> kNameKeys = {
    "Alias", "Subplan Name", "Table Function Name", "Tuplestore Name"};
/// Settings that are not the usual ones, by name: those of the planner, which hold no data.
constexpr std::string_view kSettings = "Settings";
constexpr std::string_view kChildren = "Plans";

template <std::size_t size>
bool is_among(const std::array<std::string_view, size>& keys, std::string_view key) {
    return std::find(keys.begin(), keys.end(), key) != keys.end();
}

/// The parser takes any depth, but writing out goes as deep as the text does.
bool is_too_deep(std::string_view json) {
    std::size_t depth = 0;
    bool is_in_string = false;
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (is_in_string) {
            i += c == '\\' ? 1 : 0;
            is_in_string = c != '"';
        } else if (c == '"') {
            is_in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > kPlanDepthMax) {
                return true;
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            --depth;
        }
    }
    return false;
}

/// @param key of the nearest object that it stands in
void mask(OrderedJson& value, std::string_view key) {
    if (value.is_string()) {
        if (!is_among(kShapeKeys, key) && !is_among(kNameKeys, key)) {
            value = without_literals(value.get_ref<const std::string&>());
        }
    } else if (value.is_array()) {
        for (OrderedJson& part : value) {
            mask(part, key);
        }
    } else if (value.is_object()) {
        for (auto& [name, part] : value.items()) {
            if (name != kSettings) {
                mask(part, name);
            }
        }
    }
}

/// Names are told apart by their lengths: no name can look like two.
void add_word(std::string& shape, std::string_view key, std::string_view word) {
    shape.append(key).append("=").append(std::to_string(word.size())).append(":").append(word);
}

void add_shape(const OrderedJson& node, std::string& shape) {
    shape += '(';
    for (const std::string_view key : kShapeKeys) {
        const auto found = node.find(std::string{key});
        if (found != node.end() && found->is_string()) {
            add_word(shape, key, found->get_ref<const std::string&>());
        }
    }
    const auto children = node.find(std::string{kChildren});
    if (children != node.end() && children->is_array()) {
        for (const OrderedJson& child : *children) {
            if (child.is_object()) {
                add_shape(child, shape);
            }
        }
    }
    shape += ')';
}

}  // namespace

std::string without_literals(std::string_view expression) {
    std::string masked;
    masked.reserve(expression.size());
    Lexer lexer{expression};
    for (;;) {
        const std::size_t behind = lexer.position();
        const Token token = lexer.next();
        if (token.kind == TokenKind::End) {
            return masked;
        }
        if (lexer.start() > behind && !masked.empty()) {
            masked += ' ';
        }
        const bool is_hidden = token.kind == TokenKind::String || token.kind == TokenKind::Number;
        masked += is_hidden ? std::string_view{"?"}
                            : expression.substr(lexer.start(), lexer.position() - lexer.start());
    }
}

std::optional<ExplainedPlan> read_plan(std::string_view explained, PlanLiterals literals) {
    if (is_too_deep(explained)) {
        return std::nullopt;
    }
    OrderedJson plans = OrderedJson::parse(explained,
                                           /*cb=*/nullptr,
                                           /*allow_exceptions=*/false);
    if (!plans.is_array() || plans.size() != 1 || !plans.front().is_object()) {
        return std::nullopt;
    }
    const auto plan = plans.front().find("Plan");
    if (plan == plans.front().end() || !plan->is_object()) {
        return std::nullopt;
    }
    std::string shape;
    add_shape(*plan, shape);
    if (literals == PlanLiterals::Masked) {
        mask(plans, {});
    }
    return ExplainedPlan{plans.dump(/*indent=*/-1,
                                    /*indent_char=*/' ',
                                    /*ensure_ascii=*/false,
                                    OrderedJson::error_handler_t::replace),
                         XXH3_64bits(shape.data(), shape.size())};
}

}  // namespace weir::sql
