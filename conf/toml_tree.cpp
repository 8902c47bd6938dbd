#include "conf/interpolate.hpp"
#include "conf/node.hpp"
#include "conf/schema.hpp"

#include <toml++/toml.h>

#include <algorithm>

namespace weir::conf {

namespace {

Position position_of(const toml::source_region& region) {
    return {static_cast<unsigned>(region.begin.line), static_cast<unsigned>(region.begin.column)};
}

/// Copies toml++'s tree into ours; toml++ bounds how deep it may nest.
class TreeBuilder {
public:
    TreeBuilder(Tree& tree, const std::string& file_name, const Environment& environment)
        : tree_{tree}, file_name_{file_name}, environment_{environment} {}

    Node build(const toml::node& source, const std::string& path) {
        Node node;
        node.at = position_of(source.source());
        if (const auto* table = source.as_table()) {
            node.kind = Node::Kind::Table;
            fill_table(node, *table, path);
        } else if (const auto* array = source.as_array()) {
            node.kind = Node::Kind::Array;
            for (const toml::node& item : *array) {
                node.items.push_back(build(item, path));
            }
        } else if (const auto* text = source.as_string()) {
            node.kind = Node::Kind::String;
            fill_text(node, text->get(), path);
        } else if (const auto* integer = source.as_integer()) {
            node.kind = Node::Kind::Integer;
            node.integer = integer->get();
        } else if (const auto* boolean = source.as_boolean()) {
            node.kind = Node::Kind::Boolean;
            node.boolean = boolean->get();
        } else if (const auto* real = source.as_floating_point()) {
            node.kind = Node::Kind::Float;
            node.real = real->get();
        } else {
            node.kind = Node::Kind::Date;
        }
        return node;
    }

private:
    void fill_table(Node& node, const toml::table& table, const std::string& path) {
        for (const auto& [key, value] : table) {
            const std::string name{key.str()};
            node.entries.push_back(
                {name, position_of(key.source()), build(value, join_key(path, name))});
        }
        // toml++ sorts by key; people read from the top.
        std::stable_sort(
            node.entries.begin(), node.entries.end(), [](const Entry& a, const Entry& b) {
                return std::pair{a.key_at.line, a.key_at.column} <
                       std::pair{b.key_at.line, b.key_at.column};
            });
    }

    void fill_text(Node& node, const std::string& text, const std::string& path) {
        node.written = text;
        auto replaced = interpolate(text, environment_, tree_.variables);
        if (replaced.value) {
            node.text = *std::move(replaced.value);
            node.is_interpolated = node.text != text;
            return;
        }
        node.is_broken = true;
        tree_.problems.push_back(
            {file_name_, node.at.line, node.at.column, path, replaced.problem});
    }

    Tree& tree_;
    const std::string& file_name_;
    const Environment& environment_;
};

}  // namespace

Tree read_toml(std::string_view text,
               const std::string& file_name,
               const Environment& environment) {
    Tree tree;
    try {
        const toml::table parsed = toml::parse(text);
        tree.root = TreeBuilder{tree, file_name, environment}.build(parsed, {});
    } catch (const toml::parse_error& error) {
        const Position at = position_of(error.source());
        tree.problems.push_back(
            {file_name, at.line, at.column, {}, std::string{error.description()}});
    }
    return tree;
}

}  // namespace weir::conf
