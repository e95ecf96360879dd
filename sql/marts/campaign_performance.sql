-- What became of those whom a campaign was meant for, by arm, and what the
-- campaign itself achieved: treatment against control.
with campaigns as (
    select * from staging.campaigns
),

campaign_interactions as (
    select * from intermediate.campaign_interactions
),

targets as (
    select * from intermediate.campaign_targets
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

customer_days as (
    select * from intermediate.customer_days
),

visit_days as (
    select
        customer_id,
        day
    from customer_interactions
    where is_inbound
    group by customer_id, day
),

outcomes as (
    select
        customer_id,
        day,
        true as has_visited,
        false as has_bought,
        cast(0 as decimal(18, 2)) as revenue,
        cast(0 as decimal(18, 2)) as margin
    from visit_days
    union all
    select
        customer_id,
        day,
        false as has_visited,
        is_purchase_day as has_bought,
        revenue,
        margin
    from customer_days
),

-- Time is cut into stretches as long as a window, so that a window lies in
-- two of them at most: a member meets the days of two stretches, and not all
-- that the customer ever did.
placed_outcomes as (
    select
        *,
        days_between(date '2000-01-01', day) / ($conversion_days + 1)
            as stretch
    from outcomes
),

windows as (
    select
        customer_id,
        assigned_on,
        days_between(date '2000-01-01', assigned_on) / ($conversion_days + 1)
            as stretch
    from targets
    group by customer_id, assigned_on
),

placed_windows as (
    select
        customer_id,
        assigned_on,
        add_days(assigned_on, $conversion_days) as ends_on,
        unnest(make_array(stretch, stretch + 1)) as stretch
    from windows
),

results as (
    select
        placed_windows.customer_id,
        placed_windows.assigned_on,
        bool_or(placed_outcomes.has_visited) as has_visited,
        bool_or(placed_outcomes.has_bought) as has_bought,
        cast(sum(placed_outcomes.revenue) as decimal(18, 2)) as revenue,
        cast(sum(placed_outcomes.margin) as decimal(18, 2)) as margin
    from placed_windows
    inner join placed_outcomes
        on
            placed_windows.customer_id = placed_outcomes.customer_id
            and placed_windows.stretch = placed_outcomes.stretch
            and placed_outcomes.day >= placed_windows.assigned_on
            and placed_outcomes.day <= placed_windows.ends_on
    group by placed_windows.customer_id, placed_windows.assigned_on
),

arms as (
    select
        targets.campaign_id,
        targets.arm,
        count(*) as targeted,
        count(*) filter (where targets.is_contacted) as contacted,
        count(*) filter (where targets.answer = 'positive') as positive,
        count(*) filter (where targets.answer = 'negative') as negative,
        count(*) filter (where targets.answer = 'later') as later,
        count(*) filter (where results.has_visited) as visited,
        count(*) filter (where results.has_bought) as conversions,
        coalesce(sum(results.revenue), 0) as revenue,
        coalesce(sum(results.margin), 0) as margin,
        coalesce(
            sum(cast(results.revenue * results.revenue as decimal(38, 4))), 0
        ) as squared_revenue,
        max(targets.assigned_on) as last_assigned_on
    from targets
    left join results
        on
            targets.customer_id = results.customer_id
            and targets.assigned_on = results.assigned_on
    group by targets.campaign_id, targets.arm
),

-- A campaign is known once it has started, or has a member or an interaction.
known_campaigns as (
    select campaign_id
    from campaigns
    where
        campaign_id is not null
        and (started_on is null or started_on <= $as_of)
    union
    select campaign_id
    from targets
    union
    select campaign_id
    from campaign_interactions
    where day <= $as_of
),

-- Every campaign has a treatment arm, if only an empty one.
arms_and_empty as (
    select * from arms
    union all
    select
        campaign_id,
        'treatment' as arm,
        0 as targeted,
        0 as contacted,
        0 as positive,
        0 as negative,
        0 as later,
        0 as visited,
        0 as conversions,
        cast(0 as decimal(18, 2)) as revenue,
        cast(0 as decimal(18, 2)) as margin,
        cast(0 as decimal(38, 4)) as squared_revenue,
        cast(null as date) as last_assigned_on
    from known_campaigns
),

arms_and_all as (
    select
        campaign_id,
        unnest(make_array('all', arm)) as arm,
        targeted,
        contacted,
        positive,
        negative,
        later,
        visited,
        conversions,
        revenue,
        margin,
        squared_revenue,
        last_assigned_on
    from arms_and_empty
),

counted as (
    select
        campaign_id,
        arm,
        cast(sum(targeted) as bigint) as targeted,
        cast(sum(contacted) as bigint) as contacted,
        cast(sum(positive) as bigint) as positive,
        cast(sum(negative) as bigint) as negative,
        cast(sum(later) as bigint) as later,
        cast(sum(visited) as bigint) as visited,
        cast(sum(conversions) as bigint) as conversions,
        cast(sum(revenue) as decimal(18, 2)) as revenue,
        cast(sum(margin) as decimal(18, 2)) as margin,
        cast(sum(squared_revenue) as decimal(38, 4)) as squared_revenue,
        max(last_assigned_on) as last_assigned_on
    from arms_and_all
    group by campaign_id, arm
),

-- The variance from exact sums: nothing cancels.
measured as (
    select
        *,
        cast(revenue as double) / nullif(targeted, 0) as mean_revenue,
        cast(
            cast(targeted as decimal(12, 0)) * squared_revenue
            - revenue * revenue as double
        ) / nullif(cast(targeted as double) * (targeted - 1), 0.0)
            as revenue_variance
    from counted
),

-- Beside each arm the two that are compared.
compared as (
    select
        *,
        max(case when arm = 'treatment' then targeted end) over campaign
            as treated,
        max(case when arm = 'treatment' then visited end) over campaign
            as treated_visited,
        max(case when arm = 'treatment' then conversions end) over campaign
            as treated_conversions,
        max(case when arm = 'treatment' then revenue end) over campaign
            as treated_revenue,
        max(case when arm = 'treatment' then margin end) over campaign
            as treated_margin,
        max(case when arm = 'treatment' then mean_revenue end) over campaign
            as treated_mean,
        max(case when arm = 'treatment' then revenue_variance end)
            over campaign as treated_variance,
        max(case when arm = 'control' then targeted end) over campaign
            as controls,
        max(case when arm = 'control' then visited end) over campaign
            as control_visited,
        max(case when arm = 'control' then conversions end) over campaign
            as control_conversions,
        max(case when arm = 'control' then revenue end) over campaign
            as control_revenue,
        max(case when arm = 'control' then margin end) over campaign
            as control_margin,
        max(case when arm = 'control' then mean_revenue end) over campaign
            as control_mean,
        max(case when arm = 'control' then revenue_variance end)
            over campaign as control_variance
    from measured
    window campaign as (partition by campaign_id)
),

priced as (
    select
        compared.*,
        campaigns.name,
        campaigns.objective,
        campaigns.channel,
        compared.arm <> 'control' as is_of_campaign,
        cast(
            case
                when compared.arm = 'control' then 0
                else coalesce(campaigns.cost, 0)
            end as decimal(18, 2)
        ) as cost
    from compared
    left join campaigns on compared.campaign_id = campaigns.campaign_id
),

-- The campaign's effect is on its treatment arm and on the whole. Money is
-- divided last and exactly, so that half a cent is half a cent.
effects as (
    select
        *,
        case
            when is_of_campaign
                then
                    newcombe_interval(
                        treated_visited, treated, control_visited, controls
                    )
        end as visit_interval,
        case
            when is_of_campaign
                then
                    newcombe_interval(
                        treated_conversions,
                        treated,
                        control_conversions,
                        controls
                    )
        end as conversion_interval,
        case
            when is_of_campaign
                then
                    welch_interval(
                        treated_mean,
                        treated_variance,
                        treated,
                        control_mean,
                        control_variance,
                        controls
                    )
        end as revenue_interval,
        case
            when is_of_campaign and treated > 0 and controls > 0
                then
                    cast(treated_conversions as double)
                    - cast(control_conversions as double) * treated / controls
        end as incremental_conversions,
        case
            when is_of_campaign and treated > 0 and controls > 0
                then
                    round_cents(
                        (
                            treated_revenue * cast(controls as decimal(12, 0))
                            - control_revenue * cast(treated as decimal(12, 0))
                        ) / cast(controls as decimal(12, 0))
                    )
        end as incremental_revenue,
        case
            when is_of_campaign and treated > 0 and controls > 0
                then
                    round_cents(
                        (
                            treated_margin * cast(controls as decimal(12, 0))
                            - control_margin * cast(treated as decimal(12, 0))
                        ) / cast(controls as decimal(12, 0))
                    )
        end as incremental_margin
    from priced
),

final as (
    select
        campaign_id,
        arm,
        name,
        objective,
        channel,
        targeted,
        contacted,
        positive,
        negative,
        contacted - positive - negative - later as none,
        later,
        cast(positive as double) / nullif(contacted, 0) as response_rate,
        visited,
        cast(visited as double) / nullif(targeted, 0) as visit_rate,
        conversions,
        cast(conversions as double) / nullif(targeted, 0) as conversion_rate,
        revenue,
        mean_revenue as revenue_per_head,
        margin,
        cost,
        case
            when is_of_campaign
                then
                    cast(treated_margin - cost as double)
                    / nullif(cast(cost as double), 0.0)
        end as roi,
        case
            when is_of_campaign
                then
                    cast(treated_visited as double) / nullif(treated, 0)
                    - cast(control_visited as double) / nullif(controls, 0)
        end as visit_lift_points,
        visit_interval['low'] as visit_lift_points_low,
        visit_interval['high'] as visit_lift_points_high,
        case
            when is_of_campaign
                then
                    cast(treated_conversions as double) / nullif(treated, 0)
                    - cast(control_conversions as double)
                    / nullif(controls, 0)
        end as conversion_lift_points,
        conversion_interval['low'] as conversion_lift_points_low,
        conversion_interval['high'] as conversion_lift_points_high,
        case when is_of_campaign then treated_mean - control_mean end
            as revenue_lift,
        revenue_interval['low'] as revenue_lift_low,
        revenue_interval['high'] as revenue_lift_high,
        incremental_conversions,
        incremental_revenue,
        incremental_margin,
        cast(incremental_margin - cost as double)
        / nullif(cast(cost as double), 0.0) as incremental_roi,
        coalesce(
            add_days(last_assigned_on, $conversion_days) <= $as_of, false
        ) as is_complete
    from effects
)

select * from final
