#include "base/wildcard.hpp"

namespace weir {

bool matches_wildcard(std::string_view text, std::string_view pattern) {
    const std::size_t first = pattern.find('*');
    if (first == std::string_view::npos) {
        return text == pattern;
    }
    if (!text.starts_with(pattern.substr(0, first))) {
        return false;
    }
    text.remove_prefix(first);
    pattern.remove_prefix(first + 1);
    // What stands between two stars is taken where it is found first: that leaves the most to find
    // the others in.
    for (std::size_t next = pattern.find('*'); next != std::string_view::npos;
         next = pattern.find('*')) {
        const std::string_view part = pattern.substr(0, next);
        const std::size_t found = text.find(part);
        if (found == std::string_view::npos) {
            return false;
        }
        text.remove_prefix(found + part.size());
        pattern.remove_prefix(next + 1);
    }
    return text.ends_with(pattern);
}

}  // namespace weir
