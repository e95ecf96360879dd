-- The six marts as one would write them for DuckDB: shared facts once, as temporary tables, then each mart. Left out is what
-- needs the purchase models (p_alive, clv and what is made of them): DuckDB has no fit. Landed ids are resolved as the models
-- do it; `as_of` is a variable, the other parameters have their defaults. Statements are parted by lines of dashes.

create macro london_day(moment) as cast(moment at time zone 'Europe/London' as date);

----

-- Which ids are one customer: the smallest customer id that can be reached.
create temp table members as
with recursive links as (
    select alias_id, customer_id
    from identities
    where alias_id is not null and customer_id is not null and (linked_at is null or london_day(linked_at) <= getvariable('as_of'))
),
edges as (
    select alias_id as a, customer_id as b from links
    union
    select customer_id, alias_id from links
),
reached(landed_id, customer_id) as (
    select a, customer_id from edges inner join (select distinct customer_id from links) as named on edges.b = named.customer_id
    union
    select customer_id, customer_id from links
    union
    select edges.b, reached.customer_id from reached inner join edges on reached.landed_id = edges.a
),
named as (select landed_id, min(customer_id) as customer_id from reached group by landed_id)
select landed_id, customer_id
from named
qualify count(*) over (partition by customer_id) <= 50;

----

create temp table lines as
select
    coalesce(members.customer_id, order_lines.customer_id) as customer_id,
    london_day(ordered_at) as day,
    order_id,
    ordered_at,
    product_id,
    quantity,
    net_amount,
    coalesce(margin, net_amount) as margin
from order_lines
left join members on order_lines.customer_id = members.landed_id
where order_lines.customer_id is not null and ordered_at is not null and london_day(ordered_at) <= getvariable('as_of');

----

create temp table customer_days as
select
    customer_id,
    day,
    sum(net_amount) as revenue,
    sum(margin) as margin,
    coalesce(min(ordered_at) filter (where quantity > 0), min(ordered_at)) as purchased_at,
    sum(net_amount) > 0 or (sum(net_amount) = 0 and sum(quantity) > 0) as is_purchase_day
from lines
group by customer_id, day;

----

create temp table buyers as
with days as (
    select
        customer_id,
        count(*) filter (where is_purchase_day) as purchase_days,
        min(day) filter (where is_purchase_day) as first_purchase_on,
        max(day) filter (where is_purchase_day) as last_purchase_on,
        arg_min(purchased_at, day) filter (where is_purchase_day) as first_purchased_at,
        sum(revenue) as revenue,
        sum(margin) as margin,
        sum(revenue) filter (where is_purchase_day) - arg_min(revenue, day) filter (where is_purchase_day) as repeat_revenue
    from customer_days
    group by customer_id
    having bool_or(is_purchase_day)
),
orders as (
    select customer_id, count(*) as orders
    from (
        select customer_id, order_id
        from lines
        group by customer_id, order_id
        having sum(net_amount) > 0 or (sum(net_amount) = 0 and sum(quantity) > 0)
    )
    group by customer_id
)
select days.*, coalesce(orders.orders, 0) as orders
from days
left join orders using (customer_id);

----

-- mart: interaction_days
create temp table interaction_days as
select
    london_day(occurred_at) as day,
    customer_id,
    coalesce(direction, '(none)') as direction,
    coalesce(channel, '(none)') as channel,
    coalesce(kind, '(none)') as kind,
    coalesce(response, 'none') as response,
    count(*) as interactions,
    min(occurred_at) as first_at,
    max(occurred_at) as last_at
from interactions
where customer_id is not null and occurred_at is not null
group by all;

----

-- What each customer's contacts come to, in one pass.
create temp table contacts as
select
    coalesce(members.customer_id, interaction_days.customer_id) as customer_id,
    min(first_at) filter (where direction = 'inbound' or response = 'positive') as first_engaged_at,
    sum(coalesce(kinds.cost, 0) * interactions) as cost_to_serve,
    max(day) filter (where kinds.is_complaint) as last_complaint_on,
    coalesce(sum(interactions) filter (where direction = 'inbound' and day > getvariable('as_of') - 90), 0) as inbound_now,
    coalesce(sum(interactions) filter (where direction = 'inbound' and day > getvariable('as_of') - 180 and day <= getvariable('as_of') - 90), 0) as inbound_before,
    coalesce(sum(interactions) filter (where kinds.is_advocacy), 0) as advocacy_now,
    coalesce(sum(interactions) filter (where kinds.is_advocacy and day <= getvariable('as_of') - 90), 0) as advocacy_before
from interaction_days
left join members on interaction_days.customer_id = members.landed_id
left join interaction_kinds as kinds using (kind)
where day <= getvariable('as_of')
group by 1;

----

create temp table referral_links as
select
    referral_id,
    coalesce(a.customer_id, referrer_id) as referrer_id,
    coalesce(b.customer_id, referred_id) as referred_id,
    referred_at,
    london_day(referred_at) as referred_on,
    source,
    coalesce(reward_cost, 0) as reward_cost
from referrals
left join members as a on referrer_id = a.landed_id
left join members as b on referred_id = b.landed_id
where london_day(referred_at) <= getvariable('as_of');

----

-- What became of referrals, today and 90 days ago. Who can be reached from whom they recommended is in a circle.
create temp table outcomes as
with recursive cuts as (select unnest([getvariable('as_of'), getvariable('as_of') - 90]) as cut_on),
links as (select * from cuts inner join referral_links on referred_on <= cut_on),
edges as (
    select distinct cut_on, referrer_id as a, referred_id as b
    from links
    where referrer_id is not null and referred_id is not null and referrer_id <> referred_id
),
paths(cut_on, a, b) as (
    select * from edges
    union
    select paths.cut_on, paths.a, edges.b from paths inner join edges on paths.cut_on = edges.cut_on and paths.b = edges.a
),
judged as (
    select
        links.*,
        case when referrer_id = referred_id then 'self' when paths.a is not null then 'circle' end as excluded_as,
        buyers.first_purchase_on,
        buyers.first_purchased_at,
        referred_on + 180 <= links.cut_on as has_window_passed,
        excluded_as is null and buyers.first_purchase_on between referred_on and least(referred_on + 180, links.cut_on) as holds_purchase
    from links
    left join paths on links.cut_on = paths.cut_on and links.referred_id = paths.a and links.referrer_id = paths.b
    left join buyers on links.referred_id = buyers.customer_id
)
select
    *,
    coalesce(holds_purchase, false) and row_number() over (
        partition by cut_on, referred_id, coalesce(holds_purchase, false) order by referred_at, referral_id
    ) = 1 as is_converted
from judged;

----

-- mart: customer_value
create temp table customer_value as
with drawn as (
    select
        campaign_id,
        coalesce(members.customer_id, campaign_members.customer_id) as customer_id,
        first(coalesce(arm, 'treatment') order by assigned_at, campaign_members.customer_id) as arm
    from campaign_members
    left join members on campaign_members.customer_id = members.landed_id
    where campaign_members.customer_id is not null and london_day(assigned_at) <= getvariable('as_of')
    group by all
),
shares as (
    select campaign_id, cast(coalesce(any_value(cost), 0) / count(*) as decimal(18, 2)) as cost
    from drawn left join campaigns using (campaign_id)
    where arm <> 'control'
    group by campaign_id
),
spent as (
    select customer_id, sum(cost) as marketing_cost
    from (
        select customer_id, cost from drawn inner join shares using (campaign_id) where arm <> 'control'
        union all
        select referrer_id, reward_cost from referral_links where referrer_id is not null
    )
    group by customer_id
),
historic as (
    select
        buyers.*,
        coalesce(contacts.cost_to_serve, 0) as cost_to_serve,
        coalesce(spent.marketing_cost, 0) as marketing_cost,
        buyers.margin - coalesce(contacts.cost_to_serve, 0) - coalesce(spent.marketing_cost, 0) as profit,
        (last_purchase_on - first_purchase_on) / nullif(purchase_days - 1, 0) as average_days_between
    from buyers
    left join contacts using (customer_id)
    left join spent using (customer_id)
),
ranked as (
    select
        *,
        count(*) over () as customers,
        greatest(1, (5 * (rank() over (order by last_purchase_on) - 1) + customers - 2) // greatest(customers - 1, 1)) as r,
        greatest(1, (5 * (rank() over (order by purchase_days) - 1) + customers - 2) // greatest(customers - 1, 1)) as f,
        greatest(1, (5 * (rank() over (order by revenue) - 1) + customers - 2) // greatest(customers - 1, 1)) as m,
        row_number() over (order by profit desc, customer_id) as place
    from historic
),
triples as (
    select t.r, t.f, t.m, first(segment order by rank) as rfm_segment
    from (select distinct r, f, m from ranked) as t
    inner join rfm_segments as s on t.r between r_from and r_to and t.f between f_from and f_to and t.m between m_from and m_to
    group by all
)
select
    customer_id,
    first_purchase_on,
    last_purchase_on,
    purchase_days,
    orders,
    cast(revenue as decimal(18, 2)) as revenue,
    cast(margin as decimal(18, 2)) as margin,
    cast(cost_to_serve as decimal(18, 2)) as cost_to_serve,
    cast(marketing_cost as decimal(18, 2)) as marketing_cost,
    cast(profit as decimal(18, 2)) as profit,
    average_days_between,
    last_purchase_on + cast(round(average_days_between) as integer) as expected_next_purchase_on,
    purchase_days - 1 as frequency,
    (last_purchase_on - first_purchase_on) / 7 as recency,
    (getvariable('as_of') - first_purchase_on) / 7 as age,
    cast(repeat_revenue as double) / nullif(purchase_days - 1, 0) as monetary,
    ranked.r,
    ranked.f,
    ranked.m,
    rfm_segment,
    case
        when place <= ceil(customers * 0.2) then 'vip'
        when customers - place < ceil(customers * 0.2) then 'low'
        else 'core'
    end as value_tier
from ranked
left join triples using (r, f, m);

----

-- mart: churn
create temp table churn as
with windows as (
    select
        customer_id,
        max(day) filter (where is_purchase_day) as last_purchase_on,
        coalesce(bool_or(is_purchase_day) filter (where day > getvariable('as_of') - 180 and day <= getvariable('as_of') - 90), false) as has_bought_before,
        coalesce(bool_or(is_purchase_day) filter (where day > getvariable('as_of') - 90), false) as has_bought_now,
        coalesce(sum(revenue) filter (where day > getvariable('as_of') - 180 and day <= getvariable('as_of') - 90), 0) as revenue_before,
        coalesce(sum(revenue) filter (where day > getvariable('as_of') - 90), 0) as revenue_now
    from customer_days
    group by customer_id
    having bool_or(is_purchase_day)
),
profiles as (
    select
        customer_id,
        count(distinct coalesce(category, product_id)) filter (where day <= getvariable('as_of') - 90) as products_before,
        count(distinct coalesce(category, product_id)) filter (where day > getvariable('as_of') - 90) as products_now
    from lines
    left join products using (product_id)
    where day > getvariable('as_of') - 180 and quantity > 0 and product_id is not null
    group by customer_id
),
positions as (
    select
        windows.*,
        coalesce(products_before, 0) as products_before,
        coalesce(products_now, 0) as products_now,
        case
            when not has_bought_now then 'account'
            when has_bought_before and coalesce(products_now, 0) < coalesce(products_before, 0) then 'product'
            when has_bought_before and revenue_now < revenue_before * 0.9 then 'spend'
            else 'none'
        end as category
    from windows
    left join profiles using (customer_id)
),
answers as (
    select coalesce(members.customer_id, surveys.customer_id) as customer_id, london_day(responded_at) as day, surveys.* exclude (customer_id)
    from surveys
    left join members on surveys.customer_id = members.landed_id
    where surveys.customer_id is not null and london_day(responded_at) <= getvariable('as_of')
),
stated as (
    select customer_id, coalesce(min(churn_reasons.reason), 'other') as reason
    from (
        select positions.customer_id, first(reason order by responded_at desc, survey_id) as reason_text
        from positions
        inner join answers on positions.customer_id = answers.customer_id and last_purchase_on <= day
        where category <> 'none' and kind = 'exit'
        group by positions.customer_id
    )
    left join churn_reasons
        on regexp_replace(lower(reason_text), '\s+', '', 'g') = regexp_replace(lower(churn_reasons.text), '\s+', '', 'g')
    group by customer_id
),
angry as (
    select customer_id, max(day) as angry_on
    from (
        select customer_id, day from answers where (kind = 'csat' and score <= 2) or (kind = 'nps' and score <= 6)
        union all
        select customer_id, last_complaint_on from contacts where last_complaint_on is not null
    )
    group by customer_id
),
contacted as (
    select distinct positions.customer_id
    from interaction_days
    left join members on interaction_days.customer_id = members.landed_id
    inner join positions on coalesce(members.customer_id, interaction_days.customer_id) = positions.customer_id
    where
        direction = 'outbound'
        and category <> 'none'
        and case
            when category = 'account' then day between last_purchase_on and last_purchase_on + 90
            else day > getvariable('as_of') - 90
        end
)
select
    positions.customer_id,
    category,
    has_bought_before and category <> 'none' as is_new_churn,
    products_before,
    products_now,
    cast(revenue_before as decimal(18, 2)) as revenue_before,
    cast(revenue_now as decimal(18, 2)) as revenue_now,
    cast(case when category = 'none' then 0 else greatest(revenue_before - revenue_now, 0) end as decimal(18, 2)) as revenue_lost,
    last_purchase_on,
    case
        when category = 'none' then null
        when stated.reason is not null then stated.reason
        when angry_on > last_purchase_on - 90 then 'dissatisfaction'
        when contacted.customer_id is null then 'unappreciated'
        else 'unknown'
    end as reason,
    case
        when category = 'none' then null
        when stated.reason is not null then 'stated'
        when angry_on > last_purchase_on - 90 or contacted.customer_id is null then 'inferred'
        else 'unknown'
    end as reason_source,
    has_bought_before
from positions
left join stated using (customer_id)
left join angry using (customer_id)
left join contacted using (customer_id);

----

-- mart: cohort_retention
create temp table cohort_retention as
with profiles as (
    select
        coalesce(members.customer_id, customers.customer_id) as customer_id,
        first(acquisition_source order by customers.customer_id <> coalesce(members.customer_id, customers.customer_id), customers.customer_id) as source
    from customers
    inner join members on customers.customer_id = members.landed_id
    group by 1
    union all
    select customer_id, acquisition_source
    from customers
    anti join members on customers.customer_id = members.landed_id
),
cohort_members as (
    select
        customer_id,
        first_purchase_on,
        last_purchase_on,
        date_trunc('month', first_purchase_on) as cohort,
        coalesce(source, '(none)') as source
    from buyers
    left join profiles using (customer_id)
),
bought as (
    select cohort_members.*, day, revenue, is_purchase_day
    from customer_days
    inner join cohort_members using (customer_id)
),
kinds as (select unnest(['calendar_month', 'customer_month']) as cohort_kind),
per_customer as (
    select
        cohort_kind,
        cohort,
        source,
        customer_id,
        case
            when cohort_kind = 'calendar_month' then date_diff('month', first_purchase_on, day)
            else (day - first_purchase_on) // 30
        end as period,
        sum(revenue) as revenue,
        bool_or(is_purchase_day) as has_bought
    from bought
    cross join kinds
    where day >= case when cohort_kind = 'calendar_month' then cohort else first_purchase_on end
    group by all
),
facts as (
    select
        cohort_kind, cohort, coalesce(source, 'all') as segment, period,
        count(*) filter (where has_bought) as active, sum(revenue) as revenue
    from per_customer
    group by grouping sets ((cohort_kind, cohort, source, period), (cohort_kind, cohort, period))
),
lasts as (
    select
        cohort_kind,
        cohort,
        coalesce(source, 'all') as segment,
        period,
        count(*) as last_active
    from (
        select
            cohort_kind,
            cohort,
            source,
            case
                when cohort_kind = 'calendar_month' then date_diff('month', first_purchase_on, last_purchase_on)
                else (last_purchase_on - first_purchase_on) // 30
            end as period
        from cohort_members
        cross join kinds
    )
    group by grouping sets ((cohort_kind, cohort, source, period), (cohort_kind, cohort, period))
),
cohorts as (
    select cohort, coalesce(source, 'all') as segment, count(*) as cohort_size, min(first_purchase_on) as oldest_on
    from cohort_members
    group by grouping sets ((cohort, source), (cohort))
),
periods as (
    select
        cohort_kind,
        *,
        unnest(
            range(
                case
                    when cohort_kind = 'calendar_month' then date_diff('month', cohort, getvariable('as_of'))
                    else (getvariable('as_of') - oldest_on) // 30
                end + 1
            )
        ) as period
    from cohorts
    cross join kinds
),
counted as (
    select
        periods.*,
        coalesce(active, 0) as active,
        coalesce(sum(last_active) over (backwards), 0) as active_on_or_after,
        coalesce(revenue, 0) as revenue,
        sum(coalesce(revenue, 0)) over (forwards) as cumulative_revenue,
        case
            when cohort_kind = 'calendar_month' then period < date_diff('month', cohort, getvariable('as_of') + 1)
            else last_day(cohort) + cast(30 * period + 29 as integer) <= getvariable('as_of')
        end as is_complete
    from periods
    left join facts using (cohort_kind, cohort, segment, period)
    left join lasts using (cohort_kind, cohort, segment, period)
    window
        forwards as (partition by cohort_kind, cohort, segment order by period),
        backwards as (partition by cohort_kind, cohort, segment order by period desc)
)
select
    cohort_kind,
    cohort,
    period,
    segment,
    cohort_size,
    active,
    case when is_complete then active / cohort_size end as retention_rate,
    active_on_or_after,
    case when is_complete then active_on_or_after / cohort_size end as retention_on_or_after,
    cast(revenue as decimal(18, 2)) as revenue,
    cast(cumulative_revenue as double) / cohort_size as cumulative_revenue_per_customer,
    is_complete
from counted;

----

-- mart: referral_roi
create temp table referral_roi as
with judged as (select * from outcomes where cut_on = getvariable('as_of')),
friends as (
    select
        judged.*,
        excluded_as is null as is_valid,
        excluded_as is null and has_window_passed as is_matured,
        excluded_as is null and not has_window_passed and not is_converted as is_open,
        coalesce(holds_purchase, false) and not is_converted as is_duplicate,
        buyers.revenue,
        buyers.margin
    from judged
    left join buyers on judged.referred_id = buyers.customer_id and is_converted
),
counted as (
    select
        case grouping(source_key, referrer_key) when 3 then 'program' when 1 then 'source' else 'referrer' end as level,
        coalesce(source_key, referrer_key, 'all') as key,
        count(*) filter (where is_valid) as referrals,
        count(*) filter (where is_matured) as matured,
        count(*) filter (where is_open) as open,
        count(*) filter (where is_converted) as converted,
        count(*) filter (where is_converted and is_matured) as matured_converted,
        count(*) filter (where is_duplicate) as duplicates,
        count(*) filter (where excluded_as = 'self') as excluded_self,
        count(*) filter (where excluded_as = 'circle') as excluded_circle,
        coalesce(sum(revenue), 0) as referred_revenue,
        coalesce(sum(margin), 0) as referred_margin,
        coalesce(sum(reward_cost) filter (where is_valid), 0) as reward_cost,
        coalesce(sum(reward_cost) filter (where not is_valid), 0) as excluded_reward_cost
    from (select *, coalesce(source, '(none)') as source_key, coalesce(referrer_id, '(none)') as referrer_key from friends)
    group by grouping sets ((), (source_key), (referrer_key))
),
programme as (
    select
        min(referred_on) filter (where is_valid) as first_on,
        max(referred_on) filter (where is_valid) as last_on,
        count(*) filter (where is_valid) as referrals,
        count(*) filter (where is_valid and referred_on > getvariable('as_of') - 365)
        / (
            select nullif(count(distinct customer_id), 0)
            from customer_days
            where is_purchase_day and day > getvariable('as_of') - 365
        ) as referrals_per_customer
    from friends
),
programme_cost as (
    select coalesce(sum(cost), 0) as cost
    from campaigns
    where objective = 'referral' and (started_on is null or started_on <= getvariable('as_of'))
),
others as (
    select
        count(*) as other_leads,
        count(*) filter (where first_purchase_on <= lead_on + 180) as converted
    from (
        select customer_id, london_day(first_engaged_at) as lead_on, first_purchase_on
        from contacts
        left join buyers using (customer_id)
        anti join referral_links on contacts.customer_id = referral_links.referred_id
        where first_engaged_at is not null and (first_purchased_at is null or first_engaged_at <= first_purchased_at)
    )
    cross join programme
    where lead_on between first_on and last_on and lead_on + 180 <= getvariable('as_of')
),
with_costs as (
    select
        counted.*,
        matured_converted / nullif(matured, 0) as conversion_rate,
        other_leads,
        others.converted / nullif(other_leads, 0) as other_conversion_rate,
        case
            when programme.referrals > 0 then cast(programme_cost.cost * counted.referrals / programme.referrals as decimal(18, 2))
            else 0
        end as program_cost,
        cast(reward_cost + program_cost as double) as costs,
        case when level = 'program' then programme.referrals_per_customer end as referrals_per_customer
    from counted
    cross join programme
    cross join programme_cost
    cross join others
)
select
    level,
    key,
    referrals,
    matured,
    open,
    converted,
    duplicates,
    excluded_self,
    excluded_circle,
    conversion_rate,
    other_leads,
    other_conversion_rate,
    conversion_rate / nullif(other_conversion_rate, 0) as lift_ratio,
    cast(referred_revenue as decimal(18, 2)) as referred_revenue,
    cast(referred_margin as decimal(18, 2)) as referred_margin,
    cast(reward_cost as decimal(18, 2)) as reward_cost,
    cast(program_cost as decimal(18, 2)) as program_cost,
    cast(excluded_reward_cost as decimal(18, 2)) as excluded_reward_cost,
    (cast(referred_margin as double) - costs) / nullif(costs, 0) as roi,
    costs / nullif(converted, 0) as cost_per_customer,
    referrals_per_customer,
    referrals_per_customer * conversion_rate as k_factor,
    case when level = 'referrer' then row_number() over (partition by level order by converted desc, referred_margin desc, key) end as rank
from with_costs;

----

-- mart: customer_matrix
create temp table customer_matrix as
with cuts as (select unnest([getvariable('as_of'), getvariable('as_of') - 90]) as cut_on),
days as (
    select cut_on, customer_id, min(day) as first_purchase_on, count(*) filter (where day > cut_on - 365) as purchase_days
    from customer_days
    inner join cuts on day <= cut_on
    where is_purchase_day
    group by all
),
bought as (
    select cut_on, customer_id, count(distinct product_id) as products
    from lines
    inner join cuts on day <= cut_on and day > cut_on - 365
    where quantity > 0 and product_id is not null
    group by all
),
acts as (
    select cut_on, customer_id, count(*) as acts
    from (
        select cut_on, referrer_id as customer_id from outcomes where is_converted and referrer_id is not null
        union all
        select cut_on, coalesce(members.customer_id, surveys.customer_id)
        from surveys
        left join members on surveys.customer_id = members.landed_id
        inner join cuts on london_day(responded_at) <= cut_on
        where kind = 'nps' and score >= 9 and surveys.customer_id is not null
    )
    group by all
),
components as (
    select
        days.*,
        coalesce(products, 0) as products,
        coalesce(case when cut_on = getvariable('as_of') then inbound_now else inbound_before end, 0) as inbound,
        coalesce(acts, 0) + coalesce(case when cut_on = getvariable('as_of') then advocacy_now else advocacy_before end, 0) as acts
    from days
    left join bought using (cut_on, customer_id)
    left join acts using (cut_on, customer_id)
    left join contacts using (customer_id)
),
ranked as (
    select
        cut_on,
        customer_id,
        date_sub('month', first_purchase_on, cut_on) as tenure_months,
        count(*) over (partition by cut_on) as customers,
        cast(max(purchase_days) over (partition by cut_on) > 0 as integer) + cast(max(products) over (partition by cut_on) > 0 as integer)
        + cast(max(inbound) over (partition by cut_on) > 0 as integer) + cast(max(acts) over (partition by cut_on) > 0 as integer) as components,
        rank() over (partition by cut_on order by purchase_days) + rank() over (partition by cut_on order by products)
        + rank() over (partition by cut_on order by inbound) + rank() over (partition by cut_on order by acts) - 4 as rank_sum
    from components
),
strengths as (
    select
        *,
        case when components > 0 then rank_sum / components / greatest(customers - 1, 1) end as strength_score,
        greatest(1, (5 * (rank() over (partition by cut_on order by rank_sum) - 1) + customers - 2) // greatest(customers - 1, 1)) as strength
    from ranked
),
cells as (
    select cut_on, customer_id, band as tenure_band, strength, strength_score, band || ' / ' || strength as cell
    from strengths
    left join tenure_bands on tenure_months >= from_months and (tenure_months < to_months or to_months is null)
),
top as (select band || ' / 5' as cell from tenure_bands order by from_months desc limit 1)
select
    now.customer_id,
    now.tenure_band,
    now.strength,
    now.strength_score,
    now.cell,
    before.cell as cell_before,
    case
        when before.cell is null then 'new'
        when now.strength > before.strength then 'up'
        when now.strength < before.strength then 'down'
        when now.tenure_band <> before.tenure_band then 'aged'
        else 'same'
    end as direction,
    now.cell = (select cell from top) as is_top_cell
from cells as now
left join cells as before on now.customer_id = before.customer_id and before.cut_on = getvariable('as_of') - 90
where now.cut_on = getvariable('as_of');
