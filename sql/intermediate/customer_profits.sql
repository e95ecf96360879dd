-- What each buyer has earned us, from the facts up to each cut day of the key
-- figures: profit as in customer_value, and who of them is vip.
with cut_days as (
    select cut_on
    from intermediate.cut_days
    where purpose = 'kpi'
),

customer_days as (
    select * from intermediate.customer_days
),

customer_interactions as (
    select * from intermediate.customer_interactions
),

memberships as (
    select * from intermediate.memberships
),

campaigns as (
    select * from staging.campaigns
),

referral_links as (
    select * from intermediate.referral_links
),

sales as (
    select
        cut_days.cut_on,
        customer_days.customer_id,
        sum(customer_days.margin) as margin,
        sum(customer_days.revenue) filter (
            where customer_days.day > add_days(cut_days.cut_on, -365)
        ) as revenue_12m
    from cut_days
    inner join customer_days on cut_days.cut_on >= customer_days.day
    group by cut_days.cut_on, customer_days.customer_id
    having bool_or(customer_days.is_purchase_day)
),

costs_to_serve as (
    select
        cut_days.cut_on,
        customer_interactions.customer_id,
        sum(customer_interactions.cost) as cost
    from cut_days
    inner join customer_interactions
        on cut_days.cut_on >= customer_interactions.day
    where customer_interactions.cost <> 0
    group by cut_days.cut_on, customer_interactions.customer_id
),

-- A campaign's cost is shared by those drawn by the cut day.
drawn as (
    select
        cut_days.cut_on,
        memberships.campaign_id,
        count(*) as members
    from cut_days
    inner join memberships on cut_days.cut_on >= memberships.assigned_on
    where memberships.arm <> 'control'
    group by cut_days.cut_on, memberships.campaign_id
),

shares as (
    select
        drawn.cut_on,
        drawn.campaign_id,
        round_cents(
            campaigns.cost / cast(drawn.members as decimal(12, 0))
        ) as cost
    from drawn
    inner join campaigns on drawn.campaign_id = campaigns.campaign_id
),

marketing_items as (
    select
        shares.cut_on,
        memberships.customer_id,
        shares.cost
    from memberships
    inner join shares
        on
            memberships.campaign_id = shares.campaign_id
            and memberships.assigned_on <= shares.cut_on
    where memberships.arm <> 'control'
    union all
    select
        cut_days.cut_on,
        referral_links.referrer_id as customer_id,
        referral_links.reward_cost as cost
    from cut_days
    inner join referral_links on cut_days.cut_on >= referral_links.referred_on
    where referral_links.referrer_id is not null
),

marketing_costs as (
    select
        cut_on,
        customer_id,
        sum(cost) as cost
    from marketing_items
    group by cut_on, customer_id
),

profits as (
    select
        sales.cut_on,
        sales.customer_id,
        cast(
            sales.margin
            - coalesce(costs_to_serve.cost, 0)
            - coalesce(marketing_costs.cost, 0) as decimal(18, 2)
        ) as profit,
        cast(coalesce(sales.revenue_12m, 0) as decimal(18, 2)) as revenue_12m
    from sales
    left join costs_to_serve
        on
            sales.cut_on = costs_to_serve.cut_on
            and sales.customer_id = costs_to_serve.customer_id
    left join marketing_costs
        on
            sales.cut_on = marketing_costs.cut_on
            and sales.customer_id = marketing_costs.customer_id
),

places as (
    select
        *,
        count(*) over (partition by cut_on) as customers,
        row_number() over (
            partition by cut_on order by profit desc, customer_id
        ) as place
    from profits
),

-- The share as a decimal: 0.1 x 30 must not be a little more than 3.
final as (
    select
        cut_on,
        customer_id,
        profit,
        revenue_12m,
        place <= ceil(customers * cast($vip_share as decimal(9, 6))) as is_vip
    from places
)

select * from final
