#pragma once

#include "conf/draft.hpp"
#include "conf/node.hpp"
#include "conf/schema.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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
        std::string_view key;
        Section section;
        void* object;  ///< as Target's
        Fields fields = Fields::Overrides;
        std::vector<Below> below = {};
    };

    /// A section while it is read.
    struct Target {
        Section section;
        void* object;            ///< its struct, or its overrides
        const std::string path;  ///< "database.shop"
        Fields fields = Fields::Own;
        std::vector<Below> below = {};

        /// @return null when no section of that name may stand below this one
        [[nodiscard]] const Below* find_below(std::string_view key) const {
            for (const Below& candidate : below) {
                if (candidate.key == key) {
                    return &candidate;
                }
            }
            return nullptr;
        }
    };

    [[nodiscard]] static std::vector<Below> below_pool(PoolOverrides& read_pool);
    [[nodiscard]] static std::vector<Below> below_policy(PolicyOverrides& policy);
    /// What may stand below [database.NAME] and [user.NAME].
    template <class Settings>
    [[nodiscard]] static std::vector<Below> below_named(Settings& settings);
    [[nodiscard]] std::vector<Below> below_single(Section section);

    /// What is accepted as a section that may stand in a list.
    struct Listing {
        std::string_view what;  ///< in the plural
        std::string_view form;
        std::size_t max;
    };

    [[nodiscard]] bool is_list_of_tables(const Entry& entry, const Listing& listing);
    void read_listed(Section section, const Entry& entry);
    void read_rules(const Entry& entry);
    template <class Settings>
    void read_list(const Entry& entry,
                   const Listing& listing,
                   Section section,
                   std::vector<Settings>& list);
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
