-- Every customer that is known at as_of, identities resolved, with a profile
-- where there is one.
with profiles as (
    select * from staging.customers
),

identities as (
    select * from staging.identities
),

identity_members as (
    select * from intermediate.identity_members
),

customer_days as (
    select * from intermediate.customer_days
),

customer_engagement as (
    select * from intermediate.customer_engagement
),

campaign_members as (
    select * from intermediate.memberships
),

referral_links as (
    select * from intermediate.referral_links
),

survey_responses as (
    select * from intermediate.survey_responses
),

-- The first fact of each customer in each feed.
facts as (
    select
        customer_id,
        min(first_line_at) as known_at
    from customer_days
    group by customer_id
    union all
    select
        customer_id,
        first_interaction_at as known_at
    from customer_engagement
    union all
    select
        customer_id,
        min(assigned_at) as known_at
    from campaign_members
    group by customer_id
    union all
    select
        referrer_id as customer_id,
        min(referred_at) as known_at
    from referral_links
    where referrer_id is not null
    group by referrer_id
    union all
    select
        referred_id as customer_id,
        min(referred_at) as known_at
    from referral_links
    where referred_id is not null
    group by referred_id
    union all
    select
        customer_id,
        min(responded_at) as known_at
    from survey_responses
    group by customer_id
),

-- A link is a fact about both of its ids.
linked_ids as (
    select
        alias_id as landed_id,
        linked_at
    from identities
    union all
    select
        customer_id as landed_id,
        linked_at
    from identities
),

link_facts as (
    select
        identity_members.customer_id,
        min(linked_ids.linked_at) as known_at,
        bool_or(linked_ids.linked_at is null) as is_undated
    from linked_ids
    inner join identity_members
        on linked_ids.landed_id = identity_members.landed_id
    where
        linked_ids.linked_at is null
        or business_day(linked_ids.linked_at) <= $as_of
    group by identity_members.customer_id
),

-- The few profiles that share a customer with others: whose row is the
-- customer's, the earliest date, and what they say about contact.
merged_profiles as (
    select
        identity_members.customer_id,
        coalesce(
            min(profiles.customer_id) filter (
                where profiles.customer_id = identity_members.customer_id
            ),
            min(profiles.customer_id)
        ) as profile_id,
        min(profiles.first_seen_at) as first_seen_at,
        bool_or(profiles.first_seen_at is null) as has_undated_profile,
        bool_and(profiles.is_contactable) as is_contactable
    from profiles
    inner join identity_members
        on profiles.customer_id = identity_members.landed_id
    group by identity_members.customer_id
),

single_profiles as (
    select
        profiles.customer_id,
        profiles.customer_id as profile_id,
        profiles.first_seen_at,
        profiles.first_seen_at is null as has_undated_profile,
        profiles.is_contactable
    from profiles
    left join identity_members
        on profiles.customer_id = identity_members.landed_id
    where identity_members.landed_id is null
),

profile_rows as (
    select * from merged_profiles
    union all
    select * from single_profiles
),

evidence as (
    select
        customer_id,
        known_at,
        false as is_undated
    from facts
    union all
    select * from link_facts
    union all
    select
        customer_id,
        case
            when business_day(first_seen_at) <= $as_of then first_seen_at
        end as known_at,
        has_undated_profile as is_undated
    from profile_rows
    where business_day(first_seen_at) <= $as_of or has_undated_profile
),

known as (
    select
        customer_id,
        min(known_at) as known_at,
        bool_or(is_undated) as is_known_from_start
    from evidence
    group by customer_id
),

final as (
    select
        known.customer_id,
        known.known_at,
        business_day(known.known_at) as known_on,
        known.is_known_from_start,
        profile_rows.profile_id,
        profile_rows.first_seen_at,
        profiles.birth_date,
        profiles.gender,
        profiles.income_band,
        profiles.occupation,
        profiles.persona,
        profiles.country,
        profiles.region,
        profiles.city,
        profiles.latitude,
        profiles.longitude,
        profiles.acquisition_source,
        -- an unknown consent is no consent, unless the parameter says so
        coalesce(profile_rows.is_contactable, $contactable_when_unknown)
            as is_contactable
    from known
    left join profile_rows on known.customer_id = profile_rows.customer_id
    left join profiles on profile_rows.profile_id = profiles.customer_id
)

select * from final
