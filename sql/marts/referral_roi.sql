-- What recommendations bring, for the programme, by source and by referrer.
with referrals as (
    select * from intermediate.referral_outcomes where cut_on = $as_of
),

campaigns as (
    select * from staging.campaigns
),

buyers as (
    select * from intermediate.buyers
),

programme as (
    select * from intermediate.referral_programmes where cut_on = $as_of
),

customer_engagement as (
    select * from intermediate.customer_engagement
),

customer_value as (
    select * from marts.customer_value
),

friends as (
    select
        referrals.*,
        customer_value.revenue as friend_revenue,
        customer_value.margin as friend_margin,
        -- summed as decimals: sums of doubles depend on the order of rows
        cast(customer_value.margin as decimal(38, 12))
        + cast(customer_value.clv as decimal(38, 12)) as friend_lifetime_value
    from referrals
    left join customer_value
        on
            referrals.referred_id = customer_value.customer_id
            and referrals.is_converted
),

keyed as (
    select
        'program' as level,
        'all' as key,
        friends.*
    from friends
    union all
    select
        'source' as level,
        coalesce(friends.source, '(none)') as key,
        friends.*
    from friends
    union all
    select
        'referrer' as level,
        coalesce(friends.referrer_id, '(none)') as key,
        friends.*
    from friends
),

counted as (
    select
        level,
        key,
        count(*) filter (where is_valid) as referrals,
        count(*) filter (where is_matured) as matured,
        count(*) filter (where is_open) as open,
        count(*) filter (where is_converted) as converted,
        count(*) filter (where is_converted and is_matured)
            as matured_converted,
        count(*) filter (where is_duplicate) as duplicates,
        count(*) filter (where excluded_as = 'self') as excluded_self,
        count(*) filter (where excluded_as = 'circle') as excluded_circle,
        sum(friend_revenue) as referred_revenue,
        sum(friend_margin) as referred_margin,
        sum(reward_cost) filter (where is_valid) as reward_cost,
        sum(reward_cost) filter (where not is_valid) as excluded_reward_cost,
        sum(friend_lifetime_value) as friends_lifetime_value,
        count(friend_lifetime_value) as friends_with_lifetime_value
    from keyed
    group by level, key
),

-- The programme has a row even before its first referral.
all_keys as (
    select level, key from counted
    union
    select 'program' as level, 'all' as key
),

programme_cost as (
    select coalesce(sum(cost), 0) as cost
    from campaigns
    where
        objective = 'referral'
        and (started_on is null or started_on <= $as_of)
),

referred_customers as (
    select referred_id as customer_id
    from referrals
    where referred_id is not null
    group by referred_id
),

-- To compare with: leads whom nobody referred, who came in while the programme
-- ran, otherwise than by a purchase, and whose time is up as well.
other_leads as (
    select
        customer_engagement.customer_id,
        business_day(customer_engagement.first_engaged_at) as lead_on,
        buyers.first_purchase_on
    from customer_engagement
    left join buyers on customer_engagement.customer_id = buyers.customer_id
    left join referred_customers
        on customer_engagement.customer_id = referred_customers.customer_id
    where
        referred_customers.customer_id is null
        and customer_engagement.first_engaged_at is not null
        and (
            buyers.first_purchased_at is null
            or customer_engagement.first_engaged_at
            <= buyers.first_purchased_at
        )
),

other_conversions as (
    select
        count(*) as other_leads,
        count(*) filter (
            where
                other_leads.first_purchase_on
                <= add_days(other_leads.lead_on, $referral_days)
        ) as converted
    from other_leads
    cross join programme
    where
        other_leads.lead_on between programme.first_on and programme.last_on
        and add_days(other_leads.lead_on, $referral_days) <= $as_of
),

other_buyers as (
    select
        cast(
            sum(
                cast(customer_value.margin as decimal(38, 12))
                + cast(customer_value.clv as decimal(38, 12))
            ) as double
        ) / nullif(count(customer_value.clv), 0) as ltv_other
    from customer_value
    left join referred_customers
        on customer_value.customer_id = referred_customers.customer_id
    where referred_customers.customer_id is null
),

sums as (
    select
        all_keys.level,
        all_keys.key,
        coalesce(counted.referrals, 0) as referrals,
        coalesce(counted.matured, 0) as matured,
        coalesce(counted.open, 0) as open,
        coalesce(counted.converted, 0) as converted,
        coalesce(counted.duplicates, 0) as duplicates,
        coalesce(counted.excluded_self, 0) as excluded_self,
        coalesce(counted.excluded_circle, 0) as excluded_circle,
        cast(counted.matured_converted as double)
        / nullif(counted.matured, 0) as conversion_rate,
        other_conversions.other_leads,
        cast(other_conversions.converted as double)
        / nullif(other_conversions.other_leads, 0) as other_conversion_rate,
        cast(coalesce(counted.referred_revenue, 0) as decimal(18, 2))
            as referred_revenue,
        cast(coalesce(counted.referred_margin, 0) as decimal(18, 2))
            as referred_margin,
        cast(coalesce(counted.reward_cost, 0) as decimal(18, 2))
            as reward_cost,
        -- in equal parts per valid referral, rounded once
        case
            when programme.referrals > 0
                then
                    round_cents(
                        cast(programme_cost.cost as decimal(24, 2))
                        * cast(
                            coalesce(counted.referrals, 0) as decimal(10, 0)
                        )
                        / cast(programme.referrals as decimal(10, 0))
                    )
            else cast(0 as decimal(18, 2))
        end as program_cost,
        cast(coalesce(counted.excluded_reward_cost, 0) as decimal(18, 2))
            as excluded_reward_cost,
        cast(counted.friends_lifetime_value as double)
        / nullif(counted.friends_with_lifetime_value, 0) as ltv_referred,
        other_buyers.ltv_other,
        case
            when all_keys.level = 'program'
                then programme.referrals_per_customer
        end as referrals_per_customer
    from all_keys
    left join counted
        on all_keys.level = counted.level and all_keys.key = counted.key
    cross join programme
    cross join programme_cost
    cross join other_conversions
    cross join other_buyers
),

with_costs as (
    select
        *,
        cast(reward_cost + program_cost as double) as costs
    from sums
),

referrer_places as (
    select
        key,
        cast(
            row_number() over (
                order by converted desc, referred_margin desc, key
            ) as bigint
        ) as rank
    from sums
    where level = 'referrer'
),

final as (
    select
        with_costs.level,
        with_costs.key,
        with_costs.referrals,
        with_costs.matured,
        with_costs.open,
        with_costs.converted,
        with_costs.duplicates,
        with_costs.excluded_self,
        with_costs.excluded_circle,
        with_costs.conversion_rate,
        with_costs.other_leads,
        with_costs.other_conversion_rate,
        with_costs.conversion_rate
        / nullif(with_costs.other_conversion_rate, 0.0) as lift_ratio,
        with_costs.referred_revenue,
        with_costs.referred_margin,
        with_costs.reward_cost,
        with_costs.program_cost,
        with_costs.excluded_reward_cost,
        (cast(with_costs.referred_margin as double) - with_costs.costs)
        / nullif(with_costs.costs, 0.0) as roi,
        with_costs.costs / nullif(with_costs.converted, 0)
            as cost_per_customer,
        with_costs.ltv_referred,
        with_costs.ltv_other,
        with_costs.referrals_per_customer,
        with_costs.referrals_per_customer * with_costs.conversion_rate
            as k_factor,
        referrer_places.rank
    from with_costs
    left join referrer_places
        on
            with_costs.level = 'referrer'
            and with_costs.key = referrer_places.key
)

select * from final
