#pragma once

#include "conf/draft.hpp"
#include "conf/node.hpp"
#include "conf/schema.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::conf {

/// Walks the document along the schema and fills a draft. What the schema does not know is a
/// mistake.
class SectionReader {
public:
    explicit SectionReader(Draft& draft) : draft_{draft} {}

    void read_root(const Node& root);

private:
    enum class Fields : std::uint8_t { Own, Overrides };

    /// A section that may stand below another one: [….pool], [….policy], [….tls].
    struct Below {
        std::string_view key = {};  ///< "" = there is none
        Section section = Section::Top;
        void* object = nullptr;  ///< its overrides
    };

    /// A section while it is read.
    struct Target {
        Section section;
        void* object;            ///< its struct, or its overrides
        const std::string path;  ///< "database.shop"
        Fields fields = Fields::Own;
        std::array<Below, 2> below = {};

        /// @return null when no section of that name may stand below this one
        [[nodiscard]] const Below* find_below(std::string_view key) const {
            for (const Below& candidate : below) {
                if (candidate.object != nullptr && candidate.key == key) {
                    return &candidate;
                }
            }
            return nullptr;
        }
    };

    void read_entry(const Entry& entry);
    void read_group(const Entry& entry);
    void read_named(const SectionInfo& info, const Entry& entry);
    void read_one_named(const SectionInfo& info, const Entry& entry, const std::string& path);
    void read_section(const Target& target, const Node& node);
    void read_setting(const Setting& setting, const Target& target, const Entry& entry);
    void report_unknown(const Target& target, const Entry& entry);

    Draft& draft_;
};

}  // namespace weir::conf
